"""Service principals: who they are, what they may do. The first owner is made at first start."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dualhome.arm.errors import ArmError
from dualhome.arm.identity.certificates import write_secret
from dualhome.arm.identity.roles import Assignment, new_name, role
from dualhome.arm.store import Store

PRINCIPALS: Final = "principal"
ASSIGNMENTS: Final = "roleAssignment"


@dataclass(frozen=True, slots=True)
class Principal:
    """`app` is its client id, `oid` its object id; `secret` is a salted hash; `certificate` is PEM, of one that signs assertions."""

    app: str
    oid: str
    name: str
    salt: str
    secret: str
    certificate: str = ""

    def knows(self, secret: str) -> bool:
        """Whether this is its secret."""
        return hmac.compare_digest(_hash(secret, self.salt), self.secret)


def _certificate(pem: str) -> str:
    """The certificate alone, of a file that may hold its private key as well."""
    if not pem:
        return ""
    try:
        found = x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise ArmError(400, "InvalidKeyCredential", f"The certificate is no PEM: {error}.") from error
    if not isinstance(found.public_key(), rsa.RSAPublicKey):
        raise ArmError(400, "InvalidKeyCredential", "The certificate has no RSA key; clients sign with RS256 or PS256.")
    return found.public_bytes(serialization.Encoding.PEM).decode()


def _hash(secret: str, salt: str) -> str:
    return hashlib.scrypt(secret.encode(), salt=bytes.fromhex(salt), n=2**12, r=8, p=1).hex()


class Directory:
    """Principals and their roles, in the store."""

    def __init__(self, store: Store, subscription: str) -> None:
        self._store, self.subscription = store, subscription
        self.principals = {key: Principal(**json.loads(text)) for key, text in store.rows(PRINCIPALS)}
        self.assignments = {key: Assignment(**json.loads(text)) for key, text in store.rows(ASSIGNMENTS)}

    def create(
        self, name: str, role_: str, scope: str, app: str | None = None, secret: str | None = None, certificate: str = ""
    ) -> tuple[Principal, str]:
        """A principal with a role, and its secret, which is known only now. ArmError 400 InvalidKeyCredential where `certificate` is no PEM with an RSA key."""
        wanted = role(role_)
        salt = secrets.token_hex(16)
        secret = secret or secrets.token_hex(24)
        made = Principal(app or str(uuid.uuid4()), str(uuid.uuid4()), name, salt, _hash(secret, salt), _certificate(certificate))
        assignment = Assignment(f"{scope}/providers/Microsoft.Authorization/roleAssignments/{new_name()}", made.oid, wanted.guid, scope)
        self._store.write(
            {(PRINCIPALS, made.app): json.dumps(asdict(made)), (ASSIGNMENTS, assignment.id.lower()): json.dumps(asdict(assignment))}
        )
        self.principals[made.app] = made
        self.assignments[assignment.id.lower()] = assignment
        return made, secret

    def delete(self, app: str) -> bool:
        """Whether it was there."""
        found = self.principals.pop(app, None)
        if found is None:
            return False
        gone = [key for key, each in self.assignments.items() if each.principal == found.oid]
        for key in gone:
            del self.assignments[key]
        self._store.write({}, [(PRINCIPALS, app), *((ASSIGNMENTS, key) for key in gone)])
        return True

    def assign(self, id_: str, principal: str, role_: str, scope: str) -> Assignment:
        """A role at a scope. Raises ArmError where it is there already (409 RoleAssignmentExists) or the principal isn't (400 PrincipalNotFound)."""
        found = next((each for each in self.principals.values() if principal.lower() in (each.oid, each.app, each.name.lower())), None)
        if found is None:
            raise ArmError(400, "PrincipalNotFound", f"Principal {principal} does not exist in the directory.")
        made = Assignment(id_, found.oid, role(role_).guid, scope)
        known = self.assignments.get(id_.lower())
        if any(
            (each.principal, each.role, each.scope.lower()) == (made.principal, made.role, scope.lower())
            for each in self.assignments.values()
            if each is not known
        ):
            raise ArmError(409, "RoleAssignmentExists", "The role assignment already exists.")
        self._store.write({(ASSIGNMENTS, id_.lower()): json.dumps(asdict(made))})
        self.assignments[id_.lower()] = made
        return made

    def unassign(self, id_: str) -> Assignment | None:
        """What was there."""
        found = self.assignments.pop(id_.lower(), None)
        if found is not None:
            self._store.write({}, [(ASSIGNMENTS, id_.lower())])
        return found

    def allowed(self, principal: Principal, action: str, scope: str) -> bool:
        """Whether one of its roles lets it."""
        mine = [each for each in self.assignments.values() if each.principal == principal.oid and each.covers(scope)]
        return any(role(each.role).allows(action) for each in mine)


def credentials(file: Path) -> dict[str, Any]:
    """The ids of this server, and its first owner's secret; made at first start."""
    if file.exists():
        found: dict[str, Any] = json.loads(file.read_text())
        return found
    names = ("tenant_id", "subscription_id", "client_id")
    made = {name: str(uuid.uuid4()) for name in names} | {"client_secret": secrets.token_hex(24)}
    write_secret(file, json.dumps(made, indent=2).encode() + b"\n")
    return made
