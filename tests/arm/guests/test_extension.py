"""The custom script extension as lab scripts use it: a file by URL, run with the addresses of the lab as arguments."""

from __future__ import annotations

from pathlib import Path

from dualhome.arm.downloads import Downloads
from tests.arm.azure import Azure
from tests.arm.guests.test_guests import az, learned, machine, needs_root  # noqa: F401  # az: a fixture

QUAGGA = """#!/bin/sh
# asn, router id, network, the route server's two addresses
sysctl -w net.ipv4.ip_forward=1
sudo apt-get -y update
sudo apt-get -y install quagga
echo iptables-persistent iptables-persistent/autosave_v4 boolean false | sudo debconf-set-selections
mkdir -p /etc/iptables /var/log/quagga && chown quagga:quagga /var/log/quagga
iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE
iptables-save > /etc/iptables/rules.v4
touch /etc/quagga/bgpd.conf /etc/quagga/zebra.conf /etc/quagga/vtysh.conf
chown quagga:quagga /etc/quagga/bgpd.conf && chmod 640 /etc/quagga/bgpd.conf
chown quagga:quaggavty /etc/quagga/vtysh.conf
printf 'zebra=yes\\nbgpd=yes\\nospfd=no\\n' > /etc/quagga/daemons
cat <<EOF > /etc/quagga/bgpd.conf
!
log file /var/log/quagga/bgpd.log informational
!
router bgp $1
 bgp router-id $2
 network $3
 neighbor $4 remote-as 65515
 neighbor $4 ebgp-multihop 255
 neighbor $4 soft-reconfiguration inbound
 neighbor $5 remote-as 65515
 neighbor $5 ebgp-multihop 255
 neighbor $5 soft-reconfiguration inbound
!
line vty
!
EOF
systemctl enable zebra.service
systemctl enable bgpd.service
systemctl restart zebra
systemctl restart bgpd
echo "set up as $0"
"""


@needs_root
def test_a_file_by_url_makes_a_router_of_a_machine(az: Azure, tmp_path: Path) -> None:  # noqa: F811
    folder = tmp_path / "mirror"
    file = folder / "raw.example.com" / "labs" / "router.sh"
    file.parent.mkdir(parents=True)
    file.write_text(QUAGGA)
    settings = az.service.context.settings
    assert isinstance(settings, dict)
    settings["downloads"] = Downloads(folder)
    path = f"{machine(az, None)}/extensions/customScript"
    protected = {
        "fileUris": ["https://raw.example.com/labs/router.sh"],
        "commandToExecute": "./router.sh 65001 10.1.2.4 172.16.0.0/16 10.1.0.4 10.1.0.5",
    }
    given = {"publisher": "Microsoft.Azure.Extensions", "type": "CustomScript", "typeHandlerVersion": "2.1", "protectedSettings": protected}
    az.put(path, given)
    shown = az.get(f"{path}?$expand=instanceView")["properties"]
    assert shown["provisioningState"] == "Succeeded", shown
    assert "set up as ./router.sh" in shown["instanceView"]["statuses"][0]["message"]
    assert learned(az) == {"172.16.0.0/16": "65001"}


@needs_root
def test_a_file_that_is_not_there_fails_the_extension(az: Azure) -> None:  # noqa: F811
    path = f"{machine(az, None)}/extensions/customScript"
    settings = {"fileUris": ["https://nowhere.invalid/x.sh"], "commandToExecute": "./x.sh"}
    given = {"publisher": "Microsoft.Azure.Extensions", "type": "CustomScript", "typeHandlerVersion": "2.1", "settings": settings}
    answer = az.ask("PUT", path, {"location": "westeurope", "properties": given})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "VMExtensionProvisioningError")
    assert "failed to download files: https://nowhere.invalid/x.sh: nowhere.invalid has no address here" in answer.text
