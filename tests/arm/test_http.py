"""ARM's ways: api-versions, cases, PUT, PATCH and DELETE, etags, pages, errors, operations."""

from __future__ import annotations

import time

import pytest

from tests.arm.azure import GROUP, NETWORK, SUBSCRIPTION, azure

KEPT = "applicationSecurityGroups"  # a type that is only kept


def test_put_get_replace_delete() -> None:
    with azure() as az:
        made = az.ask("PUT", f"{KEPT}/One", {"location": "West Europe", "tags": {"a": "1"}, "properties": {"x": None, "y": 1}})
        assert made.status_code == 201
        assert made.json()["id"] == f"{NETWORK}/{KEPT}/One"
        assert made.json()["type"] == f"Microsoft.Network/{KEPT}"
        assert made.json()["location"] == "westeurope"
        assert made.json()["properties"] == {"y": 1, "provisioningState": "Succeeded"}
        assert "is kept" in made.headers["warning"]
        again = az.ask("PUT", f"{KEPT}/ONE", {"location": "westeurope"})
        assert (again.status_code, again.json()["name"]) == (200, "One")
        assert again.json()["etag"] != made.json()["etag"]
        assert "tags" not in again.json()  # PUT replaces
        assert az.delete(f"{KEPT}/one") == 200
        assert az.delete(f"{KEPT}/one") == 204
        assert az.refused("GET", f"{KEPT}/one") == (404, "ResourceNotFound")


def test_every_segment_in_any_case_and_doubled_slashes() -> None:
    with azure() as az:
        az.put(f"{KEPT}/One")
        path = f"https://localhost:8443//subscriptions//{SUBSCRIPTION.upper()}/resourcegroups/RG1/PROVIDERS/microsoft.network/{KEPT.upper()}/oNE/"
        assert az.get(path)["id"] == f"{NETWORK}/{KEPT}/One"


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("", "MissingApiVersionParameter"),
        ("banana", "InvalidApiVersionParameter"),
        ("2024-13-45", "InvalidApiVersionParameter"),
        ("1999-01-01", "NoRegisteredProviderFound"),
        ("2099-01-01", "NoRegisteredProviderFound"),
    ],
)
def test_api_versions(version: str, code: str) -> None:
    with azure() as az:
        answer = az.client.get(f"{NETWORK}/{KEPT}", params={"api-version": version} if version else {})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/subscriptions/{SUBSCRIPTION}/resourceGroups/none/providers/Microsoft.Network/{KEPT}/a", 404, "ResourceGroupNotFound"),
        ("virtualHubs/none/bgpConnections/c", 404, "ParentResourceNotFound"),
        ("noSuchThings/a", 404, "InvalidResourceType"),
        (f"{GROUP}/providers/No.Such/things/a", 404, "InvalidResourceNamespace"),
        (f"{KEPT}/-a", 400, "InvalidResourceName"),
        ("/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/a", 404, "SubscriptionNotFound"),
        ("/nonsense", 404, "InvalidResourcePath"),
    ],
)
def test_what_cannot_be_put(path: str, status: int, code: str) -> None:
    with azure() as az:
        assert az.refused("PUT", path, {"location": "westeurope"}) == (status, code)


@pytest.mark.parametrize("body", [b"{", b"[1", b'{"a": NaN}', b"[" * 3000 + b"]" * 3000, b"\xff\xfe", b'"text"', b"[]"])
def test_what_is_no_json_object(body: bytes) -> None:
    with azure() as az:
        answer = az.client.put(az.url(f"{KEPT}/a"), content=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequestContent")


def test_etags() -> None:
    with azure() as az:
        etag = az.put(f"{KEPT}/a")["etag"]
        assert az.refused("PUT", f"{KEPT}/a", {"location": "westeurope"}, {"If-Match": 'W/"other"'}) == (412, "PreconditionFailed")
        assert az.refused("PUT", f"{KEPT}/a", {"location": "westeurope"}, {"If-None-Match": "*"}) == (412, "PreconditionFailed")
        assert az.refused("PUT", f"{KEPT}/b", {"location": "westeurope"}, {"If-Match": "*"}) == (412, "PreconditionFailed")
        assert az.ask("PUT", f"{KEPT}/a", {"location": "westeurope"}, {"If-Match": etag}).status_code == 200
        assert az.refused("DELETE", f"{KEPT}/a", headers={"If-Match": etag}) == (412, "PreconditionFailed")


def test_patch_changes_tags_and_leaves_the_rest() -> None:
    with azure() as az:
        az.put(f"{KEPT}/a", {"x": 1})
        shown = az.ask("PATCH", f"{KEPT}/a", {"tags": {"b": "2"}}).json()
        assert (shown["tags"], shown["properties"]["x"]) == ({"b": "2"}, 1)
        assert az.refused("PATCH", f"{KEPT}/none", {"tags": {}}) == (404, "ResourceNotFound")


def test_lists_come_in_pages_whose_links_lead_through_all() -> None:
    with azure(page_size=3) as az:
        for number in range(8):
            az.put(f"{KEPT}/a{number}")
        found, link = [], az.url(KEPT)
        while link:
            answer = az.client.get(link).json()
            assert len(answer["value"]) <= 3
            found += [each["name"] for each in answer["value"]]
            link = answer.get("nextLink")
        assert found == [f"a{number}" for number in range(8)]
        assert len(az.get(f"{KEPT}?$top=2")["value"]) == 2
        assert az.refused("GET", f"{KEPT}?$top=x") == (400, "InvalidQueryParameter")
        assert az.refused("GET", f"{KEPT}?$skipToken=%25") == (400, "InvalidSkipToken")


def test_groups() -> None:
    with azure() as az:
        az.put(f"{KEPT}/a", tags={"k": "v"})
        assert az.ask("HEAD", GROUP).status_code == 204
        assert az.get(GROUP)["properties"] == {"provisioningState": "Succeeded"}
        everything = az.get(
            f"/subscriptions/{SUBSCRIPTION}/resources?$filter=resourceGroup eq 'RG1' and resourceType eq 'Microsoft.Network/{KEPT}'"
        )
        assert [each["name"] for each in everything["value"]] == ["a"]
        assert az.get(f"{GROUP}/resources?$filter=tagName eq 'k' and tagValue eq 'w'")["value"] == []
        assert az.refused("GET", f"{GROUP}/resources?$filter=what is this") == (400, "InvalidFilterInQueryString")
        assert az.delete(GROUP) == 200
        assert az.ask("HEAD", GROUP).status_code == 404
        assert az.refused("GET", f"{KEPT}/a") == (404, "ResourceGroupNotFound")


def test_tenants_subscriptions_providers_locations() -> None:
    with azure() as az:
        one = f"/subscriptions/{SUBSCRIPTION}"
        assert az.get("/subscriptions")["value"][0]["subscriptionId"] == SUBSCRIPTION
        assert az.get(one)["state"] == "Enabled"
        assert "westeurope" in [each["name"] for each in az.get(f"{one}/locations")["value"]]
        assert az.get(f"{one}/providers/microsoft.network")["namespace"] == "Microsoft.Network"
        assert az.post(f"{one}/providers/Microsoft.Compute/register")["registrationState"] == "Registered"
        assert az.get("/tenants")["value"][0]["tenantCategory"] == "Home"


@pytest.mark.parametrize("how", ["async", "location", "body"])
def test_operations_are_polled_to_their_end(how: str) -> None:
    with azure(operations=how, operation_s=0.3) as az:
        answer = az.ask("PUT", f"{KEPT}/a", {"location": "westeurope"})
        assert (answer.status_code, answer.json()["properties"]["provisioningState"]) == (201, "Updating")
        assert answer.headers["retry-after"] == "1"
        url = answer.headers.get("azure-asyncoperation")
        assert (url is not None) == (how != "body")
        states = []
        for _ in range(100):
            states.append(az.client.get(url).json()["status"] if url else az.get(f"{KEPT}/a")["properties"]["provisioningState"])
            if states[-1] == "Succeeded":
                break
            time.sleep(0.01)
        assert states[-1] == "Succeeded"
        assert states[0] in ("InProgress", "Updating")
        if how != "body":
            gone = az.ask("DELETE", f"{KEPT}/a")
            assert gone.status_code == 202
            assert gone.headers["location"].startswith("https://localhost:8443/")
            answer = az.client.get(gone.headers["location"])
            assert answer.status_code in (202, 204)


def test_what_is_being_deleted_is_shown_so_until_it_is_gone() -> None:
    with azure(operations="async", operation_s=0.3) as az:
        az.put(f"{KEPT}/a")
        assert az.ask("DELETE", f"{KEPT}/a").status_code == 202
        assert az.get(f"{KEPT}/a")["properties"]["provisioningState"] == "Deleting"
        assert az.refused("PUT", f"{KEPT}/a", {"location": "westeurope"}) == (409, "AnotherOperationInProgress")
        time.sleep(0.4)
        assert az.refused("GET", f"{KEPT}/a") == (404, "ResourceNotFound")
        az.put(f"{KEPT}/a")
        assert az.get(f"{KEPT}/a")["properties"]["provisioningState"] in ("Updating", "Succeeded")


def test_faults_on_purpose() -> None:
    with azure() as az:
        pass
    with azure(faults={"throttle": 3.0}) as az:  # the group was the first request
        assert az.ask("GET", KEPT).status_code == 200
        answer = az.ask("GET", KEPT)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    with azure(faults={"busy": 1.0, "slow": 30.0}) as az:
        az.put(f"{KEPT}/a")
        assert az.refused("PUT", f"{KEPT}/a", {"location": "westeurope"}) == (409, "AnotherOperationInProgress")


def test_ids_of_requests_come_back() -> None:
    with azure() as az:
        answer = az.ask("GET", KEPT, headers={"x-ms-client-request-id": "mine"})
        assert answer.headers["x-ms-client-request-id"] == "mine"
        assert answer.headers["x-ms-request-id"]
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
