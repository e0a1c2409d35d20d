"""Machines from the inside: custom data and scripts make routers of them."""

from __future__ import annotations

import asyncio
import base64
import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dualhome.arm.guests import Guests
from dualhome.arm.guests.cloud_init import first_boot
from dualhome.arm.guests.machine import missing
from tests.arm.azure import GROUP, Azure, azure
from tests.arm.kinds import hub

needs_root = pytest.mark.skipif(bool(missing()), reason=missing() or "there are file systems for machines")

FRR = """#cloud-config
packages: [frr, curl]
write_files:
  - path: /etc/frr/frr.conf
    content: |
      router bgp 65001
       bgp router-id 10.1.2.4
       neighbor rs peer-group
       neighbor rs remote-as 65515
       neighbor rs ebgp-multihop 255
       neighbor 10.1.0.4 peer-group rs
       neighbor 10.1.0.5 peer-group rs
       address-family ipv4 unicast
        network 0.0.0.0/0
        network 172.16.0.0/16
        neighbor rs route-map prepended out
       exit-address-family
      route-map prepended permit 10
       set as-path prepend 65001 65001
runcmd:
  - sysctl -w net.ipv4.ip_forward=1
  - sed -i -e 's/bgpd=no/bgpd=yes/' /etc/frr/daemons
  - [systemctl, restart, frr]
"""
BIRD = r"""
cat <<EOF >/etc/bird/bird.conf
log syslog all;
router id 10.1.2.4;
protocol device { scan time 10; }
protocol kernel { ipv4 { import none; export all; }; }
protocol static { ipv4; route 192.168.0.0/16 via 10.1.2.1; }
template bgp azure { local as 65001; multihop; ipv4 { import where net ~ [ 172.16.0.0/12+ ]; export filter { bgp_path.prepend(65001); accept; }; }; }
protocol bgp azure0 from azure { neighbor 10.1.0.4 as 65515; }
protocol bgp azure1 from azure { neighbor 10.1.0.5 as 65515; }
EOF
sudo systemctl restart bird
echo done
"""


@pytest.fixture
def az(tmp_path: Path) -> Iterator[Azure]:
    with azure() as found:
        settings = found.service.context.settings
        assert isinstance(settings, dict)
        settings["guests"], why = Guests.open(tmp_path, lambda key: None, simulated=True)
        assert not why
        hub.network(found)
        hub.route_server(found)
        found.put("virtualHubs/rs/bgpConnections/nva", {"peerIp": "10.1.2.4", "peerAsn": 65001})
        yield found


def machine(az: Azure, custom_data: str | None, publisher: str = "Canonical") -> str:
    part = {"name": "one", "properties": {"subnet": az.id("virtualNetworks/hub/subnets/nva")}}
    az.put("networkInterfaces/nva-nic", {"enableIPForwarding": True, "ipConfigurations": [part]})
    profile = {"computerName": "nva", "adminUsername": "u"} | (
        {"customData": base64.b64encode(custom_data.encode()).decode()} if custom_data else {}
    )
    path = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/nva"
    image = {"publisher": publisher, "offer": "x", "sku": "y", "version": "latest"}
    nics = [az.id("networkInterfaces/nva-nic")]
    shown = az.put(
        path,
        {
            "hardwareProfile": {"vmSize": "Standard_B1s"},
            "networkProfile": {"networkInterfaces": nics},
            "osProfile": profile,
            "storageProfile": {"imageReference": image},
        },
    )
    assert "customData" not in shown["properties"]["osProfile"]
    return path


def learned(az: Azure) -> dict[str, str]:
    rows = az.post("virtualHubs/rs/bgpConnections/nva/learnedRoutes")["RouteServiceRole_IN_1"]
    return {row["network"]: row["asPath"] for row in rows}


@needs_root
def test_cloud_init_makes_a_router_of_a_machine(az: Azure) -> None:
    machine(az, FRR)
    assert learned(az) == {"0.0.0.0/0": "65001-65001-65001"}  # FRR has no route to 172.16.0.0/16, and announces it only where it has


@needs_root
def test_a_script_makes_a_router_of_a_machine(az: Azure) -> None:
    path = machine(az, None)
    assert learned(az) == {}  # it is expected to speak, and has nothing to say
    said = az.post(f"{path}/runCommand", {"commandId": "RunShellScript", "script": BIRD.splitlines()})["value"][0]
    assert "[stdout]\ndone\n" in said["message"], said
    assert said["code"] == "ProvisioningState/succeeded"
    assert learned(az) == {"192.168.0.0/16": "65001-65001"}
    az.post(f"{path}/runCommand", {"commandId": "RunShellScript", "script": ["systemctl stop bird"]})
    assert learned(az) == {}


@needs_root
def test_cisco_takes_its_custom_data_as_configuration(az: Azure) -> None:
    text = "hostname csr\nip route 10.9.0.0 255.255.0.0 Null0\nrouter bgp 65001\n network 10.9.0.0 mask 255.255.0.0\n"
    text += "".join(
        f" neighbor 10.1.0.{n} remote-as 65515\n neighbor 10.1.0.{n} ebgp-multihop 255\n neighbor 10.1.0.{n} as-override\n" for n in (4, 5)
    )
    machine(az, text, "cisco")
    assert learned(az) == {"10.9.0.0/16": "65001"}


@needs_root
def test_scripts_touch_nothing_but_the_machine(az: Azure) -> None:
    path = machine(az, None)
    script = [
        "echo x >/etc/dualhome-test-file",
        "echo y >/root/file",
        "ls /root; id -u; hostname",
        "grep -q :[*]: /etc/shadow && echo locked; grep -v :[*]: /etc/shadow | wc -l",
        "ip link show | grep -c eth0",
        "sleep 1000 & disown",
    ]
    said = az.post(f"{path}/runCommand", {"commandId": "RunShellScript", "script": script})["value"][0]["message"]
    assert "[stdout]\nfile\n0\nnva\nlocked\n0\n0\n" in said
    assert not Path("/etc/dualhome-test-file").exists()
    assert not Path("/root/file").exists()
    ask = {"commandId": "RunShellScript", "script": ["cat /etc/dualhome-test-file; pgrep -fc '^sleep 1000'; exit 3"]}
    again = az.post(f"{path}/runCommand", ask)["value"][0]
    assert "[stdout]\nx\n1\n" in again["message"]  # daemons live on, until the machine is switched off
    assert again["code"] == "ProvisioningState/succeeded"  # as Azure: it was run, whatever it ended with
    assert [az.ask("POST", f"{path}/{word}").status_code for word in ("powerOff", "start")] == [200, 200]
    assert "[stdout]\nx\n0\n" in az.post(f"{path}/runCommand", ask)["value"][0]["message"]


@needs_root
def test_scripts_do_not_get_out(az: Azure, tmp_path: Path) -> None:
    path = machine(az, None)
    escape = "import os; os.mkdir('/tmp/x'); os.chroot('/tmp/x')"
    script = [
        f'python3 -c "{escape}" && echo out',
        "umount /etc/shadow && echo out",
        "mknod /tmp/disk b 254 0 && echo out",
        "mount -t tmpfs tmpfs /mnt && echo out",
        "ls /dev | grep -E '^(vd|sd|nvme|mem|kmsg)' && echo out",
        f"ls {tmp_path.parent}/*/*/upper && echo out",
        "rm -rf /dualhome-bin/apt && echo out",
        "readlink /proc/1/exe && echo out",
        "cat /proc/1/environ 2>/dev/null | grep -q SPEC && echo out",
        "nsenter -t 1 -m true 2>/dev/null && echo out",
        "unshare --user --map-root-user --mount umount -l /root 2>/dev/null && echo out",
        "echo 1 >/proc/sys/kernel/sysrq && echo out",
        "mv /etc /elsewhere && ln -s /root /etc && mv /dualhome-node /x; ln -s /proc/1/root /dualhome-node",
        f"ln -s {tmp_path} /usr/local/dualhome; echo kept >/usr/local/dualhome/x 2>/dev/null",
        "echo end",
    ]
    said = az.post(f"{path}/runCommand", {"commandId": "RunShellScript", "script": script})["value"][0]["message"]
    assert "[stdout]\nend\n" in said, said
    assert not (tmp_path / "x").exists()


@needs_root
def test_programs_of_a_machine_are_not_run_with_more_than_it_has(az: Azure) -> None:
    """It replaces whatever it likes: the next script still has no more capabilities than the one before, and so has the next start."""
    path = machine(az, None)
    evil = "#!/bin/bash\ngrep CapEff /proc/self/status >>/caught\n"
    names = "setpriv env mount hostname ip chroot unshare nsenter python3 mkdir sh"
    write = [
        f"printf '{evil}' >/usr/bin/evil; chmod 755 /usr/bin/evil",
        f"for each in {names}; do ln -sf /usr/bin/evil /usr/bin/$each; ln -sf /usr/bin/evil /usr/sbin/$each; done",
    ]
    az.post(f"{path}/runCommand", {"commandId": "RunShellScript", "script": [*write, "env"]})
    assert [az.ask("POST", f"{path}/{word}").status_code for word in ("powerOff", "start")] == [200, 200]
    said = az.post(
        f"{path}/runCommand", {"commandId": "RunShellScript", "script": ["env; grep CapEff /proc/self/status; sort -u /caught"]}
    )["value"][0]["message"]
    assert "[stdout]\nCapEff:\t0000000020807dfb\nCapEff:\t0000000020807dfb\n\n" in said, said


def test_without_machines_it_says_why() -> None:
    with azure() as az:
        az.put(
            "virtualNetworks/v",
            {
                "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
                "subnets": [{"name": "s", "properties": {"addressPrefix": "10.0.0.0/24"}}],
            },
        )
        part = {"name": "one", "properties": {"subnet": az.id("virtualNetworks/v/subnets/s")}}
        az.put("networkInterfaces/n", {"ipConfigurations": [part]})
        path = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/vm"
        az.put(
            path, {"hardwareProfile": {"vmSize": "Standard_B1s"}, "networkProfile": {"networkInterfaces": [az.id("networkInterfaces/n")]}}
        )
        assert az.refused("POST", f"{path}/runCommand", {"commandId": "RunShellScript", "script": ["id"]}) == (409, "OperationNotAllowed")
        assert az.refused("POST", f"{path}/runCommand", {"commandId": "RunPowerShellScript"}) == (400, "InvalidParameter")


def test_custom_data_in_every_packing() -> None:
    assert [each.path for each in first_boot(FRR.encode()).files] == ["/etc/frr/frr.conf"]
    assert first_boot(gzip.compress(FRR.encode())).packages == ["frr", "curl"]
    assert first_boot(b"#!/bin/sh\necho hello\n").scripts == ["#!/bin/sh\necho hello\n"]
    head = 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n'
    parts = head + "--b\nContent-Type: text/x-shellscript\n\necho a\n--b\nContent-Type: text/cloud-config\n\nhostname: h\n--b--\n"
    boot = first_boot(parts.encode())
    assert (boot.scripts, boot.hostname) == (["echo a"], "h")
    assert first_boot(os.urandom(2000)).files == []
    assert "no YAML" in first_boot(b"#cloud-config\n a: b: c").said[0]


CLOUD_CONFIG = """#cloud-config
package_update: true
packages: [frr, no-such-package]
hostname: router1
users:
  - default
  - {name: lab, groups: "sudo, nobody-has-this", shell: /bin/bash}
bootcmd: ["echo boot >/tmp/order"]
write_files:
  - {path: /usr/local/bin/hi, permissions: '0755', encoding: b64, content: IyEvYmluL3NoCmVjaG8gaGkK}
  - {path: /tmp/late, defer: true, content: late}
  - path: /etc/systemd/system/napping.service
    content: |
      [Service]
      ExecStart=/bin/sleep 4444
runcmd:
  - echo run >>/tmp/order
  - [sh, -c, "hi >>/tmp/order"]
  - systemctl enable --now napping
  - sudo -u lab sh -c 'id -un >/home/lab/who'
  - iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE
"""


@needs_root
def test_a_usual_cloud_config(az: Azure) -> None:
    """In cloud-init's order; a service of its own runs, and again once the machine was switched off and on."""
    path = machine(az, CLOUD_CONFIG)
    ask = [
        "hostname; cat /tmp/order /tmp/late /home/lab/who",
        "nft list ruleset | grep -c masquerade",
        "systemctl is-active napping; pgrep -fc '^/bin/sleep 4444'",
    ]
    said = az.post(f"{path}/runCommand", {"commandId": "RunShellScript", "script": ask})["value"][0]["message"]
    assert "[stdout]\nrouter1\nboot\nrun\nhi\nlatelab\n1\nactive\n1\n" in said, said
    assert [az.ask("POST", f"{path}/{word}").status_code for word in ("deallocate", "start")] == [200, 200]
    said = az.post(f"{path}/runCommand", {"commandId": "RunShellScript", "script": ["ls /tmp; systemctl is-active napping"]})["value"][0][
        "message"
    ]
    assert "[stdout]\nactive\n" in said, said


@needs_root
def test_a_script_is_ended_in_time_and_its_output_is_bounded(tmp_path: Path) -> None:
    """The last 4 KB are kept; what it left in its session goes with a script that takes too long."""

    async def deeds() -> None:
        guests, _ = Guests.open(tmp_path, lambda key: None, simulated=True)
        assert guests is not None
        out, err, code = await guests.run("rg/vm", "yes | head -c 10000000; echo end; sleep 3333 & sleep 5555", {}, 1.0)
        assert (len(out), out[-4:], code) == (4096, "end\n", 124)
        assert "did not end within 1 s" in err
        assert await guests.run("rg/vm", "sleep 0.2; pgrep -fc '^sleep [35]'", {}, 10) == ("0\n", "", 1)
        waiting = asyncio.ensure_future(guests.run("rg/vm", "sleep 5555", {}, 60))
        await asyncio.sleep(0.5)
        await guests.stop("rg/vm")
        assert (await waiting)[2] != 0
        waiting = asyncio.ensure_future(guests.run("rg/vm", "sleep 5555", {}, 60))
        await asyncio.sleep(0.5)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await guests.run("rg/vm", "pgrep -fc '^sleep 5'; echo $1 $x", {"x": "a b"}, 10))[0] == "0\na b a b\n"
        await guests.close()

    asyncio.run(deeds())
