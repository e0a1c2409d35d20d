"""Who may ask: tokens, roles, hosts, through HTTPS."""

from __future__ import annotations

import http.client
import json
import stat
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from dualhome.arm.errors import ArmError
from dualhome.arm.identity.certificates import ensure
from dualhome.arm.identity.roles import ROLES, role
from tests.arm.served import DUALHOME, Served, needs_az, served

VERSION = "api-version=2025-07-01"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("identity")) as found:
        yield found


def ask(
    server: Served, method: str, path: str, token: str = "", body: Any = None, form: dict[str, str] | None = None, **headers: str
) -> tuple[int, Any, Any]:
    """Status, body and headers."""
    data = urlencode(form).encode() if form else json.dumps(body).encode() if body is not None else None
    given = {"Content-Type": "application/x-www-form-urlencoded" if form else "application/json", **headers} | (
        {"Authorization": f"Bearer {token}"} if token else {}
    )
    try:
        with urllib.request.urlopen(
            urllib.request.Request(server.url + path, data, given, method=method), context=server.trust()
        ) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None, answer.headers
    except urllib.error.HTTPError as error:
        text = error.read()
        return error.code, json.loads(text) if text else None, error.headers


def credentials(server: Served) -> dict[str, str]:
    found: dict[str, str] = json.loads((server.home / "serve" / "credentials.json").read_text())
    return found


def login(server: Served, client: str = "", secret: str = "", path: str = "") -> tuple[int, Any]:
    given = credentials(server)
    form = {
        "grant_type": "client_credentials",
        "client_id": client or given["client_id"],
        "client_secret": secret or given["client_secret"],
        "scope": f"{server.url}//.default",
    }
    status, found, _ = ask(server, "POST", path or f"/{given['tenant_id']}/oauth2/v2.0/token", form=form)
    return status, found


def principal(server: Served, role_: str, scope: str = "") -> str:
    """A token of a new principal."""
    words = [DUALHOME, "principal", "create", f"a-{role_}", "--role", role_, "--json", *(["--scope", scope] if scope else [])]
    made = json.loads(subprocess.run(words, env=server.environment, capture_output=True, text=True, check=True).stdout)
    return str(login(server, made["client_id"], made["client_secret"])[1]["access_token"])


def test_without_a_token_or_with_a_wrong_one(server: Served) -> None:
    status, found, headers = ask(server, "GET", f"/subscriptions?{VERSION}")
    assert (status, found["error"]["code"]) == (401, "AuthenticationFailed")
    assert 'authorization_uri="https://' in headers["WWW-Authenticate"]
    token = login(server)[1]["access_token"]
    head, claims, signature = token.split(".")
    for wrong in ("nonsense", f"{head}.{claims}.{signature[:-4]}AAAA", f"{head}.{claims}."):
        assert ask(server, "GET", f"/subscriptions?{VERSION}", wrong)[1]["error"]["code"] == "InvalidAuthenticationToken"
    assert ask(server, "GET", f"/subscriptions?{VERSION}", token)[0] == 200


@pytest.mark.parametrize(
    "path", ["/adfs/oauth2/token", "/adfs/oauth2/v2.0/token", "/common/oauth2/v2.0/token", "/adfs/some-tenant/oauth2/v2.0/token"]
)
def test_tokens_under_any_prefix(server: Served, path: str) -> None:
    assert login(server, path=path)[0] == 200


def test_a_wrong_secret(server: Served) -> None:
    status, found = login(server, secret="wrong")
    assert (status, found["error"], found["error_codes"]) == (401, "invalid_client", [7000215])
    assert login(server, client="nobody")[0] == 400


def test_documents_that_clients_ask_for(server: Served) -> None:
    assert isinstance(ask(server, "GET", "/metadata/endpoints?api-version=2022-09-01")[1], dict)
    assert isinstance(ask(server, "GET", "//metadata/endpoints?api-version=2019-05-01")[1], list)
    assert "galleryEndpoint" in ask(server, "GET", "/metadata/endpoints?api-version=1.0")[1]
    for prefix in ("/adfs", f"/{credentials(server)['tenant_id']}/v2.0"):
        document = ask(server, "GET", f"{prefix}/.well-known/openid-configuration")[1]
        assert ask(server, "GET", document["jwks_uri"].removeprefix(server.url))[1]["keys"][0]["kty"] == "RSA"


def test_readers_read_and_contributors_grant_nothing(server: Served) -> None:
    owner = login(server)[1]["access_token"]
    group = f"/subscriptions/{server.subscription}/resourceGroups/rg"
    assert ask(server, "PUT", f"{group}?{VERSION}", owner, {"location": "westeurope"})[0] == 201
    reader, contributor = principal(server, "Reader"), principal(server, "Contributor", group)
    vnet = f"{group}/providers/Microsoft.Network/virtualNetworks/v?{VERSION}"
    body = {"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}}
    status, found, _ = ask(server, "PUT", vnet, reader, body)
    assert (status, found["error"]["code"]) == (403, "AuthorizationFailed")
    assert ask(server, "PUT", vnet, contributor, body)[0] == 201
    assert ask(server, "GET", vnet, reader)[0] == 200
    assert (
        ask(server, "PUT", f"/subscriptions/{server.subscription}/resourceGroups/other?{VERSION}", contributor, {"location": "westeurope"})[
            0
        ]
        == 403
    )
    grant = f"{group}/providers/Microsoft.Authorization/roleAssignments/{credentials(server)['tenant_id']}?{VERSION}"
    wanted = {"properties": {"roleDefinitionId": role("Owner").guid, "principalId": credentials(server)["client_id"]}}
    assert ask(server, "PUT", grant, contributor, wanted)[0] == 403
    assert ask(server, "PUT", grant, owner, wanted)[0] == 201
    assert ask(server, "DELETE", grant, owner)[0] == 200
    run = f"{group}/providers/Microsoft.Compute/virtualMachines/v/runCommand?{VERSION}"
    assert ask(server, "POST", run, contributor, {"commandId": "RunShellScript"})[0] == 403
    assert ask(server, "GET", "/dualhome/principals", contributor)[0] == 403
    log = [json.loads(line) for line in (server.home / "serve" / "audit.log").read_text().splitlines()]
    assert any(entry["who"] == "a-Reader" and entry["status"] == 403 and entry["path"].endswith("/virtualNetworks/v") for entry in log)


def test_another_host_and_too_much(server: Served) -> None:
    token = login(server)[1]["access_token"]
    assert ask(server, "GET", f"/subscriptions?{VERSION}", token, Host="evil.example")[0] == 421
    line = http.client.HTTPSConnection(server.url.removeprefix("https://"), context=server.trust())
    line.putrequest("PUT", f"/subscriptions/x?{VERSION}")
    for name, value in (("Authorization", f"Bearer {token}"), ("Content-Length", "9000000")):
        line.putheader(name, value)
    line.endheaders()
    answer = line.getresponse()
    assert (answer.status, json.loads(answer.read())["error"]["code"]) == (413, "RequestContentTooLarge")


def test_tokens_end(tmp_path: Path) -> None:
    with served(tmp_path, "--fault", "tokens=1") as server:
        token = login(server)[1]["access_token"]
        time.sleep(4)
        assert ask(server, "GET", f"/subscriptions?{VERSION}", token)[1]["error"]["code"] == "ExpiredAuthenticationToken"


def test_secrets_are_the_owners_alone(server: Served) -> None:
    for name in ("credentials.json", "ca.key", "server.key", "tokens.key"):
        assert stat.S_IMODE((server.home / "serve" / name).stat().st_mode) == 0o600, name


def test_another_address_needs_a_certificate_of_the_users(tmp_path: Path) -> None:
    done = subprocess.run(
        [DUALHOME, "serve", "--host", "0.0.0.0", "--port", "0"],
        env={"DUALHOME_HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "--tls-cert" in done.stderr


def test_certificates_are_made_once_and_anew_for_another_host(tmp_path: Path) -> None:
    authority, certificate, _ = ensure(tmp_path, ["localhost"])
    first = certificate.read_bytes()
    ensure(tmp_path, ["localhost"])
    assert certificate.read_bytes() == first
    ensure(tmp_path, ["lab.example"])
    assert certificate.read_bytes() != first
    assert authority.read_bytes() in certificate.read_bytes()


def test_roles() -> None:
    assert {each.name for each in ROLES} >= {"Owner", "Contributor", "Reader", "Network Contributor"}
    assert role("Reader").allows("Microsoft.Network/virtualHubs/read")
    assert not role("Reader").allows("Microsoft.Network/virtualHubs/write")
    assert not role("Contributor").allows("Microsoft.Compute/virtualMachines/runCommand/action")
    assert role("Network Contributor").allows("Microsoft.Network/virtualHubs/bgpConnections/learnedRoutes/action")
    with pytest.raises(ArmError, match="does not exist"):
        role("King")


@needs_az
def test_a_secret_may_begin_with_a_dash(tmp_path: Path) -> None:
    """az takes such a word for an option of its own; states of older servers have them."""
    file = tmp_path / "serve" / "credentials.json"
    file.parent.mkdir()
    given = {name: str(uuid.uuid4()) for name in ("tenant_id", "subscription_id", "client_id")}
    file.write_text(json.dumps(given | {"client_secret": "-s3cret-of-an-older-server"}))
    with served(tmp_path) as found:
        assert found.az("account", "show")["id"] == given["subscription_id"]


def test_changes_are_in_the_activity_log_the_latest_first(server: Served) -> None:
    token = login(server)[1]["access_token"]
    own = f"/subscriptions/{credentials(server)['subscription_id']}"
    group = f"{own}/resourceGroups/seen"
    table = f"{group}/providers/Microsoft.Network/routeTables/t"
    assert ask(server, "PUT", f"{group}?{VERSION}", token, {"location": "westeurope"})[0] == 201
    assert ask(server, "PUT", f"{table}?{VERSION}", token, {"location": "westeurope"})[0] == 201
    assert ask(server, "PUT", f"{table}/routes/r?{VERSION}", token, {"properties": {"addressPrefix": "10.0.0.0/99"}})[0] == 400
    assert ask(server, "GET", f"{table}?{VERSION}", token)[0] == 200
    assert ask(server, "DELETE", f"{table}?{VERSION}", token)[0] in (200, 202)

    def events(*terms: str) -> Any:
        asked = urlencode({"$filter": " and ".join(terms), "api-version": "2015-04-01"})
        status, found, _ = ask(server, "GET", f"{own}/providers/microsoft.insights/eventtypes/management/values?{asked}", token)
        return found["value"] if status == 200 else found["error"]

    since = "eventTimestamp ge '2026-01-01T00:00:00Z'"
    found = events(since, "eventChannels eq 'Admin, Operation'", "resourceGroupName eq 'SEEN'")
    assert [(each["operationName"]["value"], each["status"]["value"], each["subStatus"]["value"]) for each in found[1:]] == [
        ("Microsoft.Network/routeTables/routes/write", "Failed", "400"),
        ("Microsoft.Network/routeTables/write", "Succeeded", "201"),
        ("Microsoft.Resources/resourceGroups/write", "Succeeded", "201"),
    ]
    assert found[0]["operationName"]["value"] == "Microsoft.Network/routeTables/delete"
    assert found[2]["resourceId"] == table
    assert found[2]["caller"] == "owner"
    assert len({each["eventDataId"] for each in found}) == 4
    assert [each["resourceType"]["value"] for each in events(since, f"resourceUri eq '{table}'")] == ["Microsoft.Network/routeTables"] * 2
    assert events(since, "eventTimestamp le '2026-01-02T00:00:00Z'") == []
    assert events("eventTimestamp since yesterday")["code"] == "BadRequest"
    assert events("eventTimestamp ge 'yesterday'")["code"] == "BadRequest"
    assert events("resourceGroupName eq 'none'", "eventTimestamp ge 'yesterday'")["code"] == "BadRequest"
    asked = urlencode({"$filter": "resourceGroupName eq 'seen'", "$top": "2", "api-version": "2015-04-01"})
    _, first, _ = ask(server, "GET", f"{own}/providers/microsoft.insights/eventtypes/management/values?{asked}", token)
    assert first["value"] == found[:2]
