#!/usr/bin/env bash
# The article's ExpressRoute network, by stock az alone: it is built, its tables are read, an NVA is deleted, they are read again.
#   dualhome serve &   then   eval "$(dualhome env)", log in as it says, and run this; or PATH="$PWD/bin:$PATH" with an az of `dualhome az`.
# What it reads is written as JSON into the folder $OUT.
set -euo pipefail
cd "$(dirname "$0")"
rg=${RG:-dual-homed} location=${LOCATION:-westeurope} out=${OUT:-$(mktemp -d)}
mkdir -p "$out"
az group create -n "$rg" -l "$location" -o none

# Networks. Gateway subnets send the spoke's prefix to the NVA, else the peering takes packets from on-premises past it.
for hub in 1 2; do
  az network route-table create -g "$rg" -n gateway$hub-to-nva -o none
  az network route-table route create -g "$rg" --route-table-name gateway$hub-to-nva -n spoke \
    --address-prefix 10.10.0.0/16 --next-hop-type VirtualAppliance --next-hop-ip-address 10.$hub.2.4 -o none
  az network vnet create -g "$rg" -n hub$hub --address-prefix 10.$hub.0.0/16 --subnet-name RouteServerSubnet --subnet-prefix 10.$hub.0.0/26 -o none
  az network vnet subnet create -g "$rg" --vnet-name hub$hub -n GatewaySubnet --address-prefix 10.$hub.1.0/27 --route-table gateway$hub-to-nva -o none
  az network vnet subnet create -g "$rg" --vnet-name hub$hub -n nva --address-prefix 10.$hub.2.0/24 -o none
done
az network vnet create -g "$rg" -n spoke --address-prefix 10.10.0.0/16 --subnet-name RouteServerSubnet --subnet-prefix 10.10.0.0/26 -o none
az network vnet subnet create -g "$rg" --vnet-name spoke -n workload --address-prefix 10.10.1.0/24 -o none
for hub in hub1 hub2; do
  az network vnet peering create -g "$rg" --vnet-name spoke -n to-$hub --remote-vnet $hub --allow-vnet-access --allow-forwarded-traffic -o none
  az network vnet peering create -g "$rg" --vnet-name $hub -n to-spoke --remote-vnet spoke --allow-vnet-access --allow-forwarded-traffic -o none
done

# Machines: an NVA in each hub, whose user data says what it announces, and a workload in the spoke.
machine() { # name, network, subnet, whether it forwards, more of az vm create
  az network nic create -g "$rg" -n "$1-nic" --vnet-name "$2" --subnet "$3" --ip-forwarding "$4" -o none
  az vm create -g "$rg" -n "$1" --nics "$1-nic" --image Ubuntu2204 --size Standard_B1s --admin-username azureuser --generate-ssh-keys "${@:5}" -o none
}
machine hub1-nva hub1 nva true --user-data hub1-nva.yaml
machine hub2-nva hub2 nva true --user-data hub2-nva.yaml
machine spoke-vm spoke workload false

# Route servers, one in each network; those of the hubs exchange routes with their gateways.
for each in spoke hub1 hub2; do
  az network public-ip create -g "$rg" -n $each-rs-pip --sku Standard -o none --only-show-errors
  subnet=$(az network vnet subnet show -g "$rg" --vnet-name $each -n RouteServerSubnet --query id -o tsv)
  az network routeserver create -g "$rg" -n $each-rs --hosted-subnet "$subnet" --public-ip-address $each-rs-pip -o none
done

# A gateway and a circuit in each hub; what lies behind a circuit is in its tag.
for hub in 1 2; do
  az network routeserver update -g "$rg" -n hub$hub-rs --allow-b2b-traffic true -o none
  az network public-ip create -g "$rg" -n hub$hub-er-pip --sku Standard -o none --only-show-errors
  az network vnet-gateway create -g "$rg" -n hub$hub-er --gateway-type ExpressRoute --sku ErGw1AZ --vnet hub$hub --public-ip-addresses hub$hub-er-pip -o none
  az network express-route create -g "$rg" -n circuit$hub --provider Equinix --peering-location Amsterdam --bandwidth 50 -o none --tags \
    "dualhome={name: dc-r$hub, prefixes: [192.168.0.0/16], export: {circuit$hub: [{match: {learned_from: [self]}}, {actions: {prefix: drop}}]}}"
  az network express-route peering create -g "$rg" --circuit-name circuit$hub --peering-type AzurePrivatePeering --peer-asn 65010 --vlan-id 100 \
    --primary-peer-subnet 169.254.0.$((8 * hub - 8))/30 --secondary-peer-subnet 169.254.0.$((8 * hub - 4))/30 -o none
  az network vpn-connection create -g "$rg" -n hub$hub-circuit$hub --vnet-gateway1 hub$hub-er --express-route-circuit2 circuit$hub -o none
done

# Sessions: both NVAs with the spoke's route server, each with that of its hub.
for hub in 1 2; do
  for each in spoke hub$hub; do
    az network routeserver peering create -g "$rg" --routeserver $each-rs -n hub$hub-nva --peer-ip 10.$hub.2.4 --peer-asn 6500$hub -o none
  done
done

tables() { # into which folder
  mkdir -p "$out/$1"
  for hub in 1 2; do
    az network routeserver peering list-learned-routes -g "$rg" --routeserver spoke-rs -n hub$hub-nva -o json >"$out/$1/learned-hub$hub-nva.json"
    az network routeserver peering list-advertised-routes -g "$rg" --routeserver spoke-rs -n hub$hub-nva -o json >"$out/$1/advertised-hub$hub-nva.json"
  done
  az network nic show-effective-route-table -g "$rg" -n spoke-vm-nic -o json >"$out/$1/effective-spoke-vm.json"
}
tables before
az vm delete -g "$rg" -n hub1-nva --yes -o none
tables after
az network nic show-effective-route-table -g "$rg" -n spoke-vm-nic -o table
echo "tables are in $out" >&2
