"""Requests made of the OpenAPI description: no 5xx, and no answer that it does not have.

DUALHOME_EXAMPLES=60 makes some ten thousand of them, DUALHOME_SEED others; `pytest -s` shows the summary.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from pathlib import Path

from dualhome.arm.kinds import kinds
from dualhome.arm.openapi import description
from tests.arm.served import SDK, needs_sdk, served

EXAMPLES = os.environ.get("DUALHOME_EXAMPLES", "2")  # of each operation
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_every_kind_action_and_part_is_described() -> None:
    paths = {path.lower() for path in description()["paths"]}
    for kind in kinds().values():
        last = kind.type.rpartition("/")[2].lower()
        assert any(path.partition("/providers/")[2].endswith((f"/{last}", f"/{last}/{{name}}")) or f"/{last}/" in path for path in paths), (
            kind.type
        )
        for word in (*kind.actions, *kind.views):
            wanted = word.rpartition(" ")[2].replace("{}", "{argument}")
            assert any(path.endswith(f"/{wanted}") for path in paths), (kind.type, word)


@needs_sdk
def test_no_5xx_and_nothing_undescribed(tmp_path: Path) -> None:
    with served(tmp_path, "--no-run-command") as server:
        authority, trust, token = tmp_path / "serve" / "ca.pem", server.trust(), server.token()
        group = f"{server.url}/subscriptions/{server.subscription}/resourceGroups/rg?api-version=2024-11-01"
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        with urllib.request.urlopen(
            urllib.request.Request(group, b'{"location": "westeurope"}', headers, method="PUT"), context=trust
        ) as answer:
            assert answer.status == 201
        values = {
            "path.subscription": server.subscription,
            "path.group": "rg",
            "path.name": "a",
            "path.name1": "a",
            "path.part": "a",
            "api-version": "2025-07-01",
        }
        (tmp_path / "schemathesis.toml").write_text("[parameters]\n" + "".join(f'"{name}" = "{value}"\n' for name, value in values.items()))
        command = [
            SDK.with_name("st"),
            "--config-file",
            tmp_path / "schemathesis.toml",
            "run",
            f"{server.url}/openapi.json",
            "--tls-verify",
            authority,
        ]
        command += [
            "-H",
            f"Authorization: Bearer {token}",
            "--checks",
            CHECKS,
            "--phases",
            "fuzzing",
            "-n",
            EXAMPLES,
            "--seed",
            os.environ.get("DUALHOME_SEED", "1"),
            "--no-color",
        ]
        command += ["--exclude-path", "/subscriptions/{subscription}/resourceGroups/{group}"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        print(done.stdout.partition("SUMMARY")[2] or done.stdout[-3000:])
        assert done.returncode == 0, done.stdout.partition("FAILURES")[2][:3000]
        statuses = [json.loads(line)["status"] for line in (tmp_path / "serve" / "audit.log").read_text().splitlines()]
        assert len(statuses) > 100
        assert max(statuses) < 500
