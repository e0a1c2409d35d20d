"""Terms of marketplace images (Microsoft.MarketplaceOrdering): scripts accept them before they make a router of a vendor's. Here they bind nobody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dualhome.arm.errors import ArmError, bad_request, no_subscription
from dualhome.arm.http.reading import document
from dualhome.arm.settings import Settings
from dualhome.arm.store import Store

ROOT: Final = r"^subscriptions/(?P<subscription>[^/]+)/providers/Microsoft\.MarketplaceOrdering/"
OFFER: Final = r"(?P<publisher>[^/]+)/offers/(?P<offer>[^/]+)/plans/(?P<plan>[^/]+)"
CURRENT: Final = re.compile(rf"{ROOT}offerTypes/virtualmachine/publishers/{OFFER}/agreements/current$", re.IGNORECASE)
SIGNED: Final = re.compile(rf"{ROOT}agreements/{OFFER}(?:/(?P<action>sign|cancel))?$", re.IGNORECASE)
TABLE: Final = "terms"
TYPE: Final = "Microsoft.MarketplaceOrdering/offertypes/publishers/offers/plans/agreements"


class Terms:
    """`http.api.Extra` for the terms of images. `rights`: who may accept them, where anybody has to be asked."""

    def __init__(self, settings: Settings, store: Store, rights: Any = None) -> None:
        self.settings, self.store, self.rights = settings, store, rights

    async def answer(self, request: Request, parts: list[str], query: Mapping[str, str], principal: Any) -> Response | None:
        """GET and PUT of an agreement; POST sign and cancel. None of other paths."""
        path = "/".join(parts)
        found = CURRENT.match(path) or SIGNED.match(path)
        if found is None:
            return None
        if found["subscription"].lower() != self.settings.subscription.lower():
            raise no_subscription(found["subscription"])
        action = (found.groupdict().get("action") or "").lower()
        wanted = {"sign": True, "cancel": False}[action] if action else None
        methods = ("POST",) if action else ("GET", "PUT") if CURRENT.match(path) else ("GET",)
        if request.method not in methods:
            raise ArmError(405, "HttpMethodNotAllowed", f"The HTTP method {request.method} is not supported at '/{path}'.")
        if self.rights is not None:
            verb = "read" if request.method == "GET" else "write"
            self.rights.allow(principal, f"{TYPE}/{verb}", f"/subscriptions/{self.settings.subscription}")
        if request.method == "PUT":
            wanted = _accepted(document(await request.body()))
        key = "/".join(found[name].lower() for name in ("publisher", "offer", "plan"))
        if wanted is not None:
            self.store.write({(TABLE, key): "true" if wanted else "false"})
        return JSONResponse(self._shown(found, dict(self.store.rows(TABLE)).get(key) == "true"))

    def _shown(self, found: re.Match[str], accepted: bool) -> dict[str, Any]:
        publisher, offer, plan = (found[name] for name in ("publisher", "offer", "plan"))
        path = f"providers/Microsoft.MarketplaceOrdering/offertypes/Microsoft.MarketplaceOrdering/offertypes/publishers/{publisher}"
        return {
            "id": f"/subscriptions/{self.settings.subscription}/{path}/offers/{offer}/plans/{plan}/agreements/current",
            "name": plan,
            "type": "Microsoft.MarketplaceOrdering/offertypes",
            "properties": {
                "publisher": publisher,
                "product": offer,
                "plan": plan,
                "licenseTextLink": "",
                "privacyPolicyLink": "",
                "marketplaceTermsLink": "",
                "retrieveDatetime": "2026-01-01T00:00:00.0000000Z",
                "signature": f"{publisher}.{offer}.{plan}",
                "accepted": accepted,
            },
        }


def _accepted(body: Any) -> bool:
    given = (body.get("properties") or {}) if isinstance(body, dict) else {}
    if not isinstance(given, dict) or not isinstance(given.get("accepted"), bool):
        raise bad_request("BadRequest", "properties.accepted of an agreement is true or false.")
    return bool(given["accepted"])
