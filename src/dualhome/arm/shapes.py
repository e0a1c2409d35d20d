"""What properties of Azure's are made of: their names mean the same in every type, so one table says which are numbers, texts, lists, objects."""

from __future__ import annotations

import re
from typing import Any, Final

from dualhome.arm.errors import ArmError, bad_request


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


WHOLE: Final = _words(
    """
    asn peerAsn peerASN azureASN vlanId minCapacity peerWeight routingWeight priority bandwidthInMbps idleTimeoutInMinutes intervalInSeconds numberOfProbes
    probeThreshold frontendPort backendPort diskSizeGB virtualRouterAsn dpdTimeoutSeconds flowTimeoutInMinutes privateIPAddressPrefixLength
    """
)
YES_NO: Final = _words(
    """
    allowVirtualNetworkAccess allowForwardedTraffic allowGatewayTransit useRemoteGateways doNotVerifyRemoteGateways peerCompleteVnets enableIPForwarding
    enableAcceleratedNetworking disableBgpRoutePropagation allowBranchToBranchTraffic activeActive enableBgp expressRouteGatewayBypass allowRemoteVnetTraffic
    enableDdosProtection enableVmProtection enableFloatingIP allowClassicOperations globalReachEnabled primary usePolicyBasedTrafficSelectors
    defaultOutboundAccess
    """
)
TEXT: Final = _words(
    """
    addressPrefix nextHopIpAddress nextHopType peerIp gatewayType vpnType connectionType privateIPAddress privateIPAllocationMethod privateIPAddressVersion
    publicIPAllocationMethod publicIPAddressVersion hubRoutingPreference gatewayIpAddress fqdn bgpPeeringAddress peeringType primaryPeerAddressPrefix
    secondaryPeerAddressPrefix serviceProviderName peeringLocation direction access protocol sourceAddressPrefix destinationAddressPrefix sourcePortRange
    destinationPortRange vmSize computerName adminUsername customData userData virtualNetworkCommunity sharedKey authorizationKey disablePeeringRoute
    nextStepIfMatched matchCondition deleteOption createOption domainNameLabel commandId publisher offer typeHandlerVersion addressPrefixV6
    """
)
TEXTS: Final = _words(
    """
    addressPrefixes dnsServers nextHopIpAddresses sourceAddressPrefixes destinationAddressPrefixes sourcePortRanges destinationPortRanges routePrefix community
    zones customBgpIpAddresses virtualRouterIps localSubnetNames remoteSubnetNames
    """
)
OBJECT: Final = _words(
    """
    properties addressSpace subnet routeTable networkSecurityGroup publicIPAddress remoteVirtualNetwork remoteAddressSpace natGateway nextHop bgpSettings
    virtualNetworkGateway1 virtualNetworkGateway2 localNetworkGateway2 peer localNetworkAddressSpace serviceProviderProperties hardwareProfile networkProfile
    storageProfile osProfile osDisk imageReference managedDisk linuxConfiguration frontendIPConfiguration backendAddressPool probe dhcpOptions dnsSettings
    bgpCommunities summarizedGatewayPrefixes virtualRouterAutoScaleConfiguration routingConfiguration inboundRouteMap outboundRouteMap virtualNetwork
    vpnClientConfiguration vpnClientAddressPool expressRouteCircuitPeering peerExpressRouteCircuitPeering virtualWan ipv6PeeringConfig customRoutes
    """
)
OBJECTS: Final = _words(
    """
    subnets virtualNetworkPeerings routes securityRules ipConfigurations networkInterfaces frontendIPConfigurations backendAddressPools loadBalancingRules probes
    inboundNatRules outboundRules loadBalancerBackendAddresses loadBalancerBackendAddressPools applicationSecurityGroups rules matchCriteria actions
    bgpPeeringAddresses peerings authorizations dataDisks serviceEndpoints delegations
    """
)
MOST: Final = 2**53
NUMERAL: Final = re.compile(r"-?[0-9]{1,16}")


def check(value: Any, by: str) -> None:
    """Hold properties, at any depth, against the table; a number or a yes or no that came as text becomes one, as in Azure.

    Raises:
        ArmError: 400 InvalidRequestFormat, with the property and what it should be.
    """
    if isinstance(value, dict):
        for name in value:
            if value[name] is not None:
                value[name] = _read(name, value[name])
                _one(name, value[name], by)
            check(value[name], by)
    elif isinstance(value, list):
        for each in value:
            check(each, by)


def _read(name: str, value: Any) -> Any:
    """`"65002"` as 65002, `"false"` as false, where the table says so: templates with text parameters write that, and Azure reads it."""
    if isinstance(value, str):
        if name in WHOLE and NUMERAL.fullmatch(value):
            return int(value)
        if name in YES_NO and value.lower() in ("true", "false"):
            return value.lower() == "true"
    return value


def _one(name: str, value: Any, by: str) -> None:
    if name in WHOLE:
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MOST:
            raise _wrong(name, value, "a whole number", by)
    elif name in YES_NO:
        if not isinstance(value, bool):
            raise _wrong(name, value, "true or false", by)
    elif name in TEXT:
        if not isinstance(value, str):
            raise _wrong(name, value, "text", by)
    elif name in TEXTS:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise _wrong(name, value, "a list of texts", by)
    elif name in OBJECT:
        if not isinstance(value, dict):
            raise _wrong(name, value, "an object", by)
        _reference(name, value, by)
    elif name in OBJECTS:
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise _wrong(name, value, "a list of objects", by)
        for each in value:
            _reference(name, each, by)


def _reference(name: str, value: dict[str, Any], by: str) -> None:
    if "id" in value and value["id"] is not None and not isinstance(value["id"], str):
        raise _wrong(f"{name}.id", value["id"], "a resource's id", by)
    if "name" in value and name in OBJECTS and not isinstance(value["name"], str):
        raise _wrong(f"{name}.name", value["name"], "text", by)


def _wrong(name: str, value: Any, wanted: str, by: str) -> ArmError:
    shown = repr(value)
    return bad_request(
        "InvalidRequestFormat",
        f"Cannot parse the request: {name} of {by} is {wanted}, not {shown if len(shown) < 60 else shown[:57] + '...'}.",
        name,
    )
