"""Logging in: what MSAL, azure-identity and the Go clients ask, and tokens that they can read."""

from __future__ import annotations

import base64
import datetime
import json
import time
import uuid
from typing import Any, Final
from urllib.parse import parse_qsl

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dualhome.arm.errors import ArmError
from dualhome.arm.http.reading import base_of
from dualhome.arm.identity.principals import Directory, Principal

ALGORITHM: Final = "RS256"
DAY_S: Final = 86400


class Tokens:
    """Makes tokens, and reads them."""

    def __init__(self, key: RSAPrivateKey, directory: Directory, tenant: str, last_s: float) -> None:
        self._key, self._directory, self.tenant, self.last_s = key, directory, tenant, last_s
        public = key.public_key()
        self._public = public
        digest = hashes.Hash(hashes.SHA256())
        digest.update(public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))
        self.number = base64.urlsafe_b64encode(digest.finalize()[:20]).rstrip(b"=").decode()

    def issue(self, principal: Principal, audience: str, base: str) -> str:
        """A signed token."""
        now = int(time.time())
        claims = {
            "aud": audience,
            "iss": f"{base}/{self.tenant}/",
            "iat": now,
            "nbf": now,
            "exp": now + int(self.last_s),
            "appid": principal.app,
            "appidacr": "1",
            "idp": f"{base}/{self.tenant}/",
            "idtyp": "app",
            "oid": principal.oid,
            "sub": principal.oid,
            "tid": self.tenant,
            "uti": uuid.uuid4().hex[:22],
            "ver": "1.0",
        }
        return jwt.encode(claims, self._key, ALGORITHM, headers={"kid": self.number, "x5t": self.number})

    def read(self, token: str) -> Principal:
        """Whose token it is. Raises ArmError 401."""
        try:
            claims = jwt.decode(
                token, self._public, [ALGORITHM], options={"verify_aud": False, "require": ["exp", "appid", "tid"]}, leeway=2
            )
        except jwt.ExpiredSignatureError as error:
            raise ArmError(401, "ExpiredAuthenticationToken", "The access token expiry has passed: get a new one.") from error
        except jwt.PyJWTError as error:
            raise ArmError(401, "InvalidAuthenticationToken", f"The access token is invalid: {error}.") from error
        found = self._directory.principals.get(str(claims["appid"]))
        if found is None or claims["tid"] != self.tenant:
            raise ArmError(401, "InvalidAuthenticationToken", "The access token is of a principal that does not exist here.")
        return found

    # --- what clients ask ---------------------------------------------------------------------------------------------

    def routes(self) -> list[Route]:
        """Under any prefix, as clients build them; none needs a token."""
        token = ["/{a}/oauth2/v2.0/token", "/{a}/oauth2/token", "/{a}/{b}/oauth2/v2.0/token", "/{a}/{b}/oauth2/token"]
        documents = ["/{a}/.well-known/openid-configuration", "/{a}/v2.0/.well-known/openid-configuration"]
        documents += ["/{a}/{b}/.well-known/openid-configuration", "/{a}/{b}/v2.0/.well-known/openid-configuration"]
        keys = ["/{a}/discovery/v2.0/keys", "/{a}/discovery/keys", "/{a}/{b}/discovery/v2.0/keys", "/{a}/{b}/discovery/keys"]
        return [
            *(Route(path, self.token, methods=["POST"]) for path in token),
            *(Route(path, self.document) for path in documents),
            *(Route(path, self.keys) for path in keys),
            Route("/{a}/discovery/instance", self.instance),
        ]

    async def token(self, request: Request) -> Response:
        """client_credentials, by secret or by a signed assertion."""
        given = dict(parse_qsl((await request.body()).decode("utf-8", errors="replace"), max_num_fields=50))
        if given.get("grant_type") != "client_credentials":
            return self._refuse(
                400, "unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type: only client_credentials is."
            )
        principal = self._directory.principals.get(given.get("client_id", ""))
        if principal is None:
            return self._refuse(
                400,
                "unauthorized_client",
                f"AADSTS700016: Application with identifier '{given.get('client_id')}' was not found in the directory.",
            )
        if "client_assertion" in given:
            if wrong := _wrong(given["client_assertion"], principal, f"{base_of(request)}{request.url.path}"):
                return self._refuse(
                    401, "invalid_client", f"AADSTS700027: The certificate with identifier used to sign the client assertion: {wrong}"
                )
        elif not principal.knows(given.get("client_secret", "")):
            return self._refuse(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
        base = base_of(request)
        scope = given.get("scope", given.get("resource", base)).split()[0] if given.get("scope", given.get("resource")) else base
        audience = scope.removesuffix("/.default").rstrip("/") + "/"
        found = {
            "token_type": "Bearer",
            "expires_in": int(self.last_s),
            "ext_expires_in": int(self.last_s),
            "access_token": self.issue(principal, audience, base),
        }
        if "/v2.0/" not in request.url.path:
            now = int(time.time())
            found |= {
                "expires_in": str(int(self.last_s)),
                "expires_on": str(now + int(self.last_s)),
                "not_before": str(now),
                "resource": audience,
            }
        return JSONResponse(found, headers={"Cache-Control": "no-store"})

    def _refuse(self, status: int, code: str, text: str) -> Response:
        number = int(text.partition("AADSTS")[2].partition(":")[0])
        body = {
            "error": code,
            "error_description": text,
            "error_codes": [number],
            "correlation_id": str(uuid.uuid4()),
            "trace_id": str(uuid.uuid4()),
        }
        return JSONResponse(body, status)

    async def document(self, request: Request) -> Response:
        """OIDC's, of a tenant or of ADFS."""
        base = base_of(request)
        prefix = request.url.path.partition("/.well-known")[0].removesuffix("/v2.0")
        adfs = prefix.lower().startswith("/adfs")
        version = "" if adfs else "/v2.0"
        return JSONResponse(
            {
                "issuer": f"{base}{prefix}{version}",
                "authorization_endpoint": f"{base}{prefix}/oauth2{version}/authorize",
                "token_endpoint": f"{base}{prefix}/oauth2{version}/token",
                "device_authorization_endpoint": f"{base}{prefix}/oauth2{version}/devicecode",
                "jwks_uri": f"{base}{prefix}/discovery{version}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "scopes_supported": ["openid"],
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
            }
        )

    async def instance(self, request: Request) -> Response:
        """Instance discovery: this host vouches for itself."""
        base, host = base_of(request), request.headers.get("host", "localhost")
        tenant = request.path_params["a"]
        return JSONResponse(
            {
                "tenant_discovery_endpoint": f"{base}/{tenant}/v2.0/.well-known/openid-configuration",
                "api-version": "1.1",
                "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
            }
        )

    async def keys(self, request: Request) -> Response:
        """JWKS."""
        numbers = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._public))
        return JSONResponse({"keys": [{**numbers, "kid": self.number, "use": "sig", "alg": ALGORITHM}]})


def _wrong(assertion: str, principal: Principal, endpoint: str) -> str:
    """What is wrong with a client assertion (RFC 7523): "" where the principal's certificate signed it, for this very endpoint (a URL), for a day at most."""
    if not principal.certificate:
        return "no certificate is registered for this application."
    certificate = x509.load_pem_x509_certificate(principal.certificate.encode())
    if not certificate.not_valid_before_utc <= datetime.datetime.now(datetime.UTC) <= certificate.not_valid_after_utc:
        return "the certificate is not valid now."
    key = certificate.public_key()
    assert isinstance(key, RSAPublicKey), "the directory takes no other"
    options: Any = {"verify_aud": False, "require": ["exp", "iss", "sub", "aud"]}
    try:
        claims = jwt.decode(assertion, key, ["RS256", "PS256"], options=options, leeway=300)
    except jwt.PyJWTError as error:
        return f"{error}."
    if not claims["iss"] == claims["sub"] == principal.app:
        return "iss and sub are the application's id."
    if claims["exp"] > time.time() + DAY_S:
        return "it is valid for more than a day."
    return "" if claims["aud"] == endpoint else f"aud is {endpoint}, not {claims['aud']}."


def metadata(base: str, version: str) -> Any:
    """`/metadata/endpoints`: an object, a list or the oldest shape, as the version has it."""
    if version in ("2015-01-01", "1.0"):
        login = {"loginEndpoint": f"{base}/adfs", "audiences": [f"{base}/"]}
        return {
            "galleryEndpoint": f"{base}/gallery",
            "graphEndpoint": f"{base}/graph",
            "portalEndpoint": f"{base}/portal",
            "authentication": login,
        }
    found = {
        "name": "dualhome",
        "authentication": {"loginEndpoint": f"{base}/adfs", "audiences": [f"{base}/"], "tenant": "common", "identityProvider": "AAD"},
        "resourceManager": f"{base}/",
        "portal": f"{base}/portal",
        "gallery": f"{base}/gallery",
        "graph": f"{base}/graph",
        "graphAudience": f"{base}/graph",
        "microsoftGraphResourceId": f"{base}/msgraph/",
        "media": f"{base}/media",
        "batch": f"{base}/batch",
        "sqlManagement": f"{base}/sql",
        "vmImageAliasDoc": f"{base}/aliases.json",
        "activeDirectoryDataLake": f"{base}/dl",
        "logAnalyticsResourceId": f"{base}/la",
        "suffixes": {
            "storage": "lab.local",
            "keyVaultDns": "vault.lab.local",
            "sqlServerHostname": "db.lab.local",
            "acrLoginServer": "acr.lab.local",
        },
    }
    return [found] if version in ("2019-05-01", "2020-06-01") else found
