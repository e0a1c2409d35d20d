"""Names of the types that Azure has in the two namespaces whose typing errors are told apart from types that are only kept."""

from __future__ import annotations

from typing import Final

_NETWORK: Final = """
    applicationGateways applicationGateways/privateEndpointConnections ApplicationGatewayWebApplicationFirewallPolicies
    applicationSecurityGroups applicationSecurityGroups/addressPrefixSets authenticationPolicies azureFirewalls bastionHosts connections
    connections/sharedKey customIpPrefixes ddosCustomPolicies ddosProtectionPlans dnsForwardingRulesets dnsResolvers
    dnsResolvers/inboundEndpoints dnsResolvers/outboundEndpoints dnsZones dscpConfigurations expressRouteCircuits
    expressRouteCircuits/authorizations expressRouteCircuits/peerings expressRouteCircuits/peerings/connections
    expressRouteCircuits/peerings/peerConnections expressRouteCrossConnections expressRouteCrossConnections/peerings expressRouteGateways
    expressRouteGateways/expressRouteConnections expressRouteLags expressRouteLags/authorizations expressRouteLags/links
    expressRouteLags/links/members expressRoutePorts expressRoutePorts/authorizations expressRoutePorts/links firewallPolicies
    firewallPolicies/firewallPolicyDrafts firewallPolicies/kubeSelectorGroups firewallPolicies/ruleCollectionGroups
    firewallPolicies/ruleCollectionGroups/ruleCollectionGroupDrafts firewallPolicies/ruleGroups firewallPolicies/signatureOverrides
    frontDoors interconnectGroups interconnectGroups/subgroups ipAllocations ipGroups loadBalancers loadBalancers/backendAddressPools
    loadBalancers/frontendIPConfigurations loadBalancers/inboundNatRules loadBalancers/loadBalancingRules loadBalancers/outboundRules
    loadBalancers/probes localNetworkGateways natGateways networkInterfaces networkInterfaces/ipConfigurations
    networkInterfaces/tapConfigurations networkManagerConnections networkManagers networkManagers/commits
    networkManagers/connectivityConfigurations networkManagers/ipamPools networkManagers/ipamPools/staticCidrs
    networkManagers/networkGroups networkManagers/networkGroups/staticMembers networkManagers/routingConfigurations
    networkManagers/routingConfigurations/ruleCollections networkManagers/routingConfigurations/ruleCollections/rules
    networkManagers/scopeConnections networkManagers/securityAdminConfigurations
    networkManagers/securityAdminConfigurations/ruleCollections networkManagers/securityAdminConfigurations/ruleCollections/rules
    networkManagers/securityUserConfigurations networkManagers/securityUserConfigurations/ruleCollections
    networkManagers/securityUserConfigurations/ruleCollections/rules networkManagers/verifierWorkspaces
    networkManagers/verifierWorkspaces/reachabilityAnalysisIntents networkManagers/verifierWorkspaces/reachabilityAnalysisRuns
    networkProfiles networkSecurityGroups networkSecurityGroups/securityRules networkSecurityPerimeters
    networkSecurityPerimeters/linkReferences networkSecurityPerimeters/links networkSecurityPerimeters/loggingConfigurations
    networkSecurityPerimeters/profiles networkSecurityPerimeters/profiles/accessRules networkSecurityPerimeters/resourceAssociations
    networkVirtualAppliances networkVirtualAppliances/inboundSecurityRules networkVirtualAppliances/networkVirtualApplianceConnections
    networkVirtualAppliances/virtualApplianceSites networkWatchers networkWatchers/connectionAnalyzers networkWatchers/connectionMonitors
    networkWatchers/flowLogs networkWatchers/packetCaptures p2svpnGateways privateDnsZones privateDnsZones/virtualNetworkLinks
    privateEndpoints privateEndpoints/privateDnsZoneGroups privateLinkServices privateLinkServices/privateEndpointConnections
    publicIPAddresses publicIPPrefixes routeFilters routeFilters/routeFilterRules routeTables routeTables/routes securityPartnerProviders
    serviceEndpointPolicies serviceEndpointPolicies/serviceEndpointPolicyDefinitions serviceGateways trafficManagerProfiles virtualHubs
    virtualHubs/bgpConnections virtualHubs/connectionPolicies virtualHubs/hubRouteTables virtualHubs/hubVirtualNetworkConnections
    virtualHubs/ipConfigurations virtualHubs/routeMaps virtualHubs/routeTables virtualHubs/routingIntent virtualNetworkAppliances
    virtualNetworkAppliances/capabilities virtualNetworkGateways virtualNetworkGateways/natRules virtualNetworks virtualNetworks/subnets
    virtualNetworks/virtualNetworkPeerings virtualNetworkTaps virtualRouters virtualRouters/peerings virtualWans vpnGateways
    vpnGateways/natRules vpnGateways/vpnConnections vpnGateways/vpnConnections/vpnLinkConnections
    vpnGateways/vpnConnections/vpnLinkConnections/sharedKeys vpnServerConfigurations vpnServerConfigurations/configurationPolicyGroups
    vpnSites vpnSites/vpnSiteLinks
"""
_COMPUTE: Final = """
    availabilitySets capacityReservationGroups capacityReservationGroups/capacityReservations diskAccesses
    diskAccesses/privateEndpointConnections diskEncryptionSets disks galleries galleries/applications galleries/applications/versions
    galleries/images galleries/images/versions hostGroups hostGroups/hosts images proximityPlacementGroups restorePointCollections
    restorePointCollections/restorePoints restorePointCollections/restorePoints/diskRestorePoints snapshots sshPublicKeys virtualMachines
    virtualMachines/diagnosticRunCommands virtualMachines/extensions virtualMachines/runCommands virtualMachineScaleSets
    virtualMachineScaleSets/extensions virtualMachineScaleSets/lifecycleHookEvents virtualMachineScaleSets/virtualMachines
    virtualMachineScaleSets/virtualMachines/diagnosticRunCommands virtualMachineScaleSets/virtualMachines/extensions
    virtualMachineScaleSets/virtualMachines/runCommands
"""

KNOWN: Final = {
    f"{namespace}/{word}".lower(): f"{namespace}/{word}"
    for namespace, words in (("Microsoft.Network", _NETWORK), ("Microsoft.Compute", _COMPUTE))
    for word in words.split()
}
STRICT: Final = frozenset(("microsoft.network", "microsoft.compute"))
