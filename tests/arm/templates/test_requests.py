"""Deployments through the API: as az sends them, with the rules of the resources behind."""

from __future__ import annotations

import json
from typing import Any

from tests.arm.azure import GROUP, NETWORK, SUBSCRIPTION, Azure, azure

ROOT = f"/subscriptions/{SUBSCRIPTION}"
SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
DEPLOYMENTS = "/providers/Microsoft.Resources/deployments"

QUICKSTART = """{
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0",
  // a virtual network with a route server, as the quickstart has it
  "parameters": {
    "location": { "type": "string", "defaultValue": "[resourceGroup().location]" },
    "peers": { "type": "array", "defaultValue": [ { "name": "nva1", "ip": "10.1.1.4", "asn": 65001 } ] }
  },
  "variables": {
    "hub": "rs", "vnet": "hub", /* names */
    "subnetRef": "[resourceId('Microsoft.Network/virtualNetworks/subnets', variables('vnet'), 'RouteServerSubnet')]"
  },
  "resources": [
    {
      "type": "Microsoft.Network/virtualNetworks", "apiVersion": "2023-09-01", "name": "[variables('vnet')]", "location": "[parameters('location')]",
      "properties": {
        "addressSpace": { "addressPrefixes": [ "10.1.0.0/16" ] }
      },
      "resources": [
        {
          "type": "subnets", "apiVersion": "2023-09-01", "name": "RouteServerSubnet", "dependsOn": [ "[variables('vnet')]" ],
          "properties": { "addressPrefix": "[cidrSubnet('10.1.0.0/16', 26, 0)]" }
        }
      ]
    },
    {
      "type": "Microsoft.Network/publicIPAddresses", "apiVersion": "2023-09-01", "name": "rs-ip", "location": "[parameters('location')]",
      "sku": { "name": "Standard" }, "properties": { "publicIPAllocationMethod": "Static" }
    },
    {
      "type": "Microsoft.Network/virtualHubs", "apiVersion": "2023-09-01", "name": "[variables('hub')]", "location": "[parameters('location')]",
      "properties": { "sku": "Standard", "allowBranchToBranchTraffic": true }
    },
    {
      "type": "Microsoft.Network/virtualHubs/ipConfigurations", "apiVersion": "2023-09-01", "name": "[format('{0}/ipconfig1', variables('hub'))]",
      "dependsOn": [
        "[resourceId('Microsoft.Network/virtualHubs', variables('hub'))]",
        "[resourceId('Microsoft.Network/publicIPAddresses', 'rs-ip')]",
        "[variables('subnetRef')]"
      ],
      "properties": {
        "subnet": { "id": "[variables('subnetRef')]" },
        "publicIPAddress": { "id": "[resourceId('Microsoft.Network/publicIPAddresses', 'rs-ip')]" }
      }
    },
    {
      "copy": { "name": "peers", "count": "[length(parameters('peers'))]" },
      "type": "Microsoft.Network/virtualHubs/bgpConnections", "apiVersion": "2023-09-01",
      "name": "[concat(variables('hub'), '/', parameters('peers')[copyIndex()].name)]",
      "dependsOn": [ "[resourceId('Microsoft.Network/virtualHubs/ipConfigurations', variables('hub'), 'ipconfig1')]" ],
      "properties": { "peerAsn": "[parameters('peers')[copyIndex()].asn]", "peerIp": "[parameters('peers')[copyIndex()].ip]" }
    }
  ],
  "outputs": {
    "asn": { "type": "int", "value": "[reference(variables('hub')).virtualRouterAsn]" },
    "addresses": { "type": "array", "value": "[reference(resourceId('Microsoft.Network/virtualHubs', variables('hub')), '2023-09-01').virtualRouterIps]" }
  }
}"""


def template(resources: Any, **more: Any) -> dict[str, Any]:
    return {"$schema": SCHEMA, "contentVersion": "1.0.0.0", **more, "resources": resources}


def vnet(name: str, prefix: str = "10.0.0.0/16", **more: Any) -> dict[str, Any]:
    found = {"type": "Microsoft.Network/virtualNetworks", "apiVersion": "2025-07-01", "name": name, "location": "westeurope"}
    return {**found, "properties": {"addressSpace": {"addressPrefixes": [prefix]}}, **more}


def spliced(text: str, parameters: str = "{}", mode: str = "Incremental") -> bytes:
    """The body as az makes it: the template's text as it is, under a key without quotes."""
    return f'{{"properties": {{"parameters": {parameters}, "mode": "{mode}", template:{text} }}}}'.encode()


def send(az: Azure, method: str, path: str, content: bytes) -> Any:
    return az.client.request(method, az.url(path), content=content, headers={"content-type": "application/json; charset=utf-8"})


def deploy(az: Azure, wanted: Any, name: str = "d1", scope: str = GROUP, mode: str = "Incremental", **parameters: Any) -> Any:
    properties = {"mode": mode, "template": wanted, "parameters": {key: {"value": each} for key, each in parameters.items()}}
    body = {"properties": properties} if scope == GROUP else {"properties": properties, "location": "westeurope"}
    answer = az.ask("PUT", f"{scope}{DEPLOYMENTS}/{name}", body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def test_the_quickstart_is_validated_foreseen_deployed_and_changes_nothing_the_second_time() -> None:
    """With comments, and the key `template` bare, as az sends it."""
    with azure() as az:
        path = f"{GROUP}{DEPLOYMENTS}/quick"
        answer = send(az, "POST", path + "/validate", spliced(QUICKSTART))
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["properties"]["validatedResources"]) == 6
        changes = send(az, "POST", path + "/whatIf", spliced(QUICKSTART)).json()["properties"]["changes"]
        assert [each["changeType"] for each in changes] == ["Create"] * 6
        assert az.ask("GET", "virtualHubs/rs").status_code == 404  # neither has made anything
        answer = send(az, "PUT", path, spliced(QUICKSTART))
        assert answer.status_code == 201
        properties = answer.json()["properties"]
        assert properties["provisioningState"] == "Succeeded", properties
        assert properties["outputs"]["asn"] == {"type": "Int", "value": 65515}
        assert len(properties["outputs"]["addresses"]["value"]) == 2
        assert az.get("virtualHubs/rs/bgpConnections/nva1")["properties"]["peerAsn"] == 65001
        changes = send(az, "POST", path + "/whatIf", spliced(QUICKSTART)).json()["properties"]["changes"]
        assert [each["changeType"] for each in changes] == ["NoChange"] * 6
        again = send(az, "PUT", path, spliced(QUICKSTART))
        assert (again.status_code, again.json()["properties"]["provisioningState"]) == (200, "Succeeded")
        operations = az.get(path + "/operations")["value"]
        assert {each["properties"]["provisioningState"] for each in operations} == {"Succeeded"}
        assert len(operations) == 6
        one = operations[0]["operationId"]
        assert az.get(f"{path}/operations/{one}")["operationId"] == one
        assert az.get(f"{GROUP}/deployments/quick/operations")["value"] == operations  # an old path, which az has kept
        assert az.post(path + "/exportTemplate")["template"]["variables"]["hub"] == "rs"


def test_what_resources_refuse_is_told_before_and_after() -> None:
    """A virtual network that is none: refused by validate as InvalidTemplateDeployment, and by the deployment as DeploymentFailed."""
    with azure() as az:
        wrong = template([vnet("good"), vnet("bad", "10.0.0.0/99")])
        path = f"{GROUP}{DEPLOYMENTS}/d1"
        body = {"properties": {"mode": "incremental", "template": wrong}}
        answer = az.ask("POST", path + "/validate", body)
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["code"] == "InvalidTemplateDeployment"
        assert error["details"][0]["code"]
        answer = az.ask("PUT", path, body)
        assert answer.status_code == 201
        assert answer.json()["properties"]["provisioningState"] == "Failed"
        status = az.get(answer.headers["Azure-AsyncOperation"])
        assert status["status"] == "Failed"
        assert status["error"]["code"] == "DeploymentFailed"
        assert [each["code"] for each in status["error"]["details"]] == [error["details"][0]["code"]]
        states = {
            each["properties"]["targetResource"]["resourceName"]: each["properties"]["provisioningState"]
            for each in az.get(path + "/operations")["value"]
        }
        assert states == {"good": "Succeeded", "bad": "Failed"}


def test_the_wrong_inputs_that_everybody_makes() -> None:
    with azure() as az:
        path = f"{GROUP}{DEPLOYMENTS}/d1"

        def refused(wanted: Any, **more: Any) -> tuple[int, str]:
            return az.refused("PUT", path, {"properties": {"mode": "Incremental", "template": wanted, **more}})

        assert refused(template([vnet("a", dependsOn=["b"]), vnet("b", dependsOn=["a"])])) == (400, "InvalidTemplate")
        assert refused(template([vnet("[parameters('none')]")])) == (400, "InvalidTemplate")
        assert refused(template([], parameters={"p": {"type": "string"}})) == (400, "InvalidTemplate")
        assert refused(template([vnet("a"), vnet("A")])) == (400, "InvalidTemplate")
        assert refused("text") == (400, "InvalidTemplate")
        assert az.refused("PUT", path, {}) == (400, "InvalidRequestContent")
        assert az.refused("PUT", path, {"properties": {"template": template([])}}) == (400, "InvalidRequestContent")
        assert az.refused("PUT", f"{ROOT}{DEPLOYMENTS}/d1", {"properties": {"mode": "Incremental", "template": template([])}}) == (
            400,
            "LocationRequired",
        )
        nowhere = f"{ROOT}/resourceGroups/none{DEPLOYMENTS}/d1"
        assert az.refused("PUT", nowhere, {"properties": {"mode": "Incremental", "template": template([])}}) == (
            404,
            "ResourceGroupNotFound",
        )
        assert az.refused("GET", path) == (404, "DeploymentNotFound")
        assert az.refused("PATCH", path, {}) == (405, "MethodNotAllowed")
        link = {"properties": {"mode": "Incremental", "templateLink": {"uri": "https://example.com/azuredeploy.json"}}}
        assert az.refused("PUT", path, link) == (400, "InvalidContentLink")
        answer = send(az, "PUT", path, b'{"properties": {"template": {')
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequestContent")


def test_groups_by_template_with_a_deployment_into_them() -> None:
    """At the subscription: a group, and a nested deployment into it that waits for it."""
    nested = template(
        [vnet("spoke", location="[resourceGroup().location]")],
        outputs={"id": {"type": "string", "value": "[resourceId('Microsoft.Network/virtualNetworks', 'spoke')]"}},
    )
    wanted = template(
        [
            {"type": "Microsoft.Resources/resourceGroups", "apiVersion": "2024-11-01", "name": "made", "location": "northeurope"},
            {
                "type": "Microsoft.Resources/deployments", "apiVersion": "2024-11-01", "name": "inner", "resourceGroup": "made",
                "dependsOn": ["[subscriptionResourceId('Microsoft.Resources/resourceGroups', 'made')]"],
                "properties": {"mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"}, "template": nested},
            },
        ],
        outputs={"id": {"type": "string", "value": "[reference('inner').outputs.id.value]"}},
    )  # fmt: skip
    with azure() as az:
        found = deploy(az, wanted, scope=ROOT)
        assert found["location"] == "westeurope"
        assert found["properties"]["provisioningState"] == "Succeeded", found
        spoke = f"{ROOT}/resourceGroups/made/providers/Microsoft.Network/virtualNetworks/spoke"
        assert found["properties"]["outputs"]["id"]["value"] == spoke
        assert az.get(spoke)["location"] == "northeurope"
        assert [each["name"] for each in az.get(f"{ROOT}{DEPLOYMENTS}")["value"]] == ["d1"]
        assert [each["name"] for each in az.get(f"{ROOT}/resourceGroups/made{DEPLOYMENTS}")["value"]] == ["inner"]
        az.delete(f"{ROOT}/resourceGroups/made")
        az.put(f"{ROOT}/resourceGroups/made")
        assert az.get(f"{ROOT}/resourceGroups/made{DEPLOYMENTS}")["value"] == []


def test_complete_mode_deletes_what_the_template_has_not() -> None:
    with azure() as az:
        az.put(
            "virtualNetworks/old",
            {
                "addressSpace": {"addressPrefixes": ["10.9.0.0/16"]},
                "subnets": [{"name": "s", "properties": {"addressPrefix": "10.9.0.0/24"}}],
            },
        )
        az.put(
            "networkInterfaces/nic",
            {"ipConfigurations": [{"name": "i", "properties": {"subnet": {"id": f"{NETWORK}/virtualNetworks/old/subnets/s"}}}]},
        )
        body = {"properties": {"mode": "Complete", "template": template([vnet("new")])}}
        changes = az.post(f"{GROUP}{DEPLOYMENTS}/d1/whatIf", body)["properties"]["changes"]
        assert {each["resourceId"].rpartition("/")[2]: each["changeType"] for each in changes} == {
            "new": "Create",
            "old": "Delete",
            "nic": "Delete",
        }
        assert deploy(az, template([vnet("new")]), mode="complete")["properties"]["provisioningState"] == "Succeeded"
        assert [each["name"] for each in az.get("virtualNetworks")["value"]] == ["new"]
        assert az.get("networkInterfaces")["value"] == []


def test_what_if_shows_properties() -> None:
    with azure() as az:
        deploy(az, template([vnet("v")]))
        other = template([vnet("v", tags={"a": "b"}, properties={"addressSpace": {"addressPrefixes": ["10.0.0.0/16", "10.1.0.0/16"]}})])
        path = f"{GROUP}{DEPLOYMENTS}/d1/whatIf"
        (change,) = az.post(path, {"properties": {"mode": "Incremental", "template": other}})["properties"]["changes"]
        assert change["changeType"] == "Modify"
        by_path = {each["path"]: each for each in change["delta"]}
        assert by_path["properties.addressSpace.addressPrefixes"]["children"] == [
            {"path": "1", "propertyChangeType": "Create", "before": None, "after": "10.1.0.0/16", "children": None}
        ]
        settings = {"whatIfSettings": {"resultFormat": "ResourceIdOnly"}}
        (change,) = az.post(path, {"properties": {"mode": "Incremental", "template": other, **settings}})["properties"]["changes"]
        assert change == {"resourceId": f"{NETWORK}/virtualNetworks/v", "changeType": "Deploy"}


def test_an_asynchronous_deployment_is_polled() -> None:
    with azure(operations="async", operation_s=0.2) as az:
        answer = az.ask("PUT", f"{GROUP}{DEPLOYMENTS}/d1", {"properties": {"mode": "Incremental", "template": template([vnet("v")])}})
        assert answer.status_code == 201
        assert answer.json()["properties"]["provisioningState"] in ("Accepted", "Running")
        url = answer.headers["Azure-AsyncOperation"]
        assert f"{DEPLOYMENTS}/d1/operationStatuses/" in url
        for _ in range(2000):
            if (status := az.get(url)["status"]) not in ("Accepted", "Running"):
                break
        assert status == "Succeeded"
        assert az.get(f"{GROUP}{DEPLOYMENTS}/d1")["properties"]["outputResources"] == [{"id": f"{NETWORK}/virtualNetworks/v"}]


def test_lists_are_filtered_and_heads_answer() -> None:
    with azure() as az:
        deploy(az, template([vnet("a")]), "good")
        az.ask("PUT", f"{GROUP}{DEPLOYMENTS}/bad", {"properties": {"mode": "Incremental", "template": template([vnet("b", "x")])}})
        path = f"{GROUP}{DEPLOYMENTS}"
        assert [each["name"] for each in az.get(path)["value"]] == ["bad", "good"]
        assert [each["name"] for each in az.get(path + "?$filter=provisioningState eq 'Failed'")["value"]] == ["bad"]
        assert az.refused("GET", path + "?$filter=name eq 1") == (400, "InvalidFilterInQueryString")
        assert az.ask("HEAD", path + "/good").status_code == 204
        assert az.ask("HEAD", path + "/none").status_code == 404
        assert az.delete(path + "/good") == 204
        assert az.ask("HEAD", path + "/good").status_code == 404
        assert az.get("virtualNetworks/a")["name"] == "a"
        assert az.refused("POST", path + "/bad/cancel") == (409, "DeploymentCannotBeCanceled")
        hashed = az.post("/providers/Microsoft.Resources/calculateTemplateHash", template([]))
        assert hashed["templateHash"].isdigit()
        assert json.loads(hashed["minifiedTemplate"]) == template([])
