"""compose.yaml: what its services may do, and that their programs take their commands. Run for real: test_engine.py."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import serve
from live.page import __main__ as page

SERVICES = ("app", "live", "app-gpu", "live-gpu")


@pytest.fixture(scope="module")
def services(repository: Path) -> dict[str, dict[str, Any]]:
    """Of the file, with every variable at its default."""
    text = (repository / "compose.yaml").read_text()
    filled = re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", text)
    assert "${" not in filled
    found: dict[str, dict[str, Any]] = yaml.safe_load(filled)["services"]
    return found


def test_the_page_and_a_live_head_are_there_for_a_cpu_and_for_a_gpu(services):
    assert {name: one["profiles"] for name, one in services.items()} == {
        "app": ["cpu"],
        "live": ["cpu"],
        "app-gpu": ["gpu"],
        "live-gpu": ["gpu"],
    }
    for name, one in services.items():
        assert ("deploy" in one) == name.endswith("-gpu")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_no_more_than_it_needs(services, name):
    service = services[name]
    assert service["user"] == "1000:1000"
    assert service["read_only"] and service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service and "cap_add" not in service
    assert service["pull_policy"] == "never"
    writable = {mount["target"] for mount in service["volumes"] if not mount.get("read_only")}
    assert writable == {"/egstalker/output", "/egstalker/.cache/container"}
    assert all(service["environment"][one].startswith("/egstalker/.cache") for one in ("HOME", "NUMBA_CACHE_DIR"))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_listens_to_this_machine_alone_and_is_watched(services, name):
    service = services[name]
    assert service["network_mode"] == "host" and "ports" not in service
    command = service["command"]
    if "live.page" in command:
        options = page.parse(command[3:])
        assert options.end_jobs and options.home == Path("output/page")
    else:
        assert command[:2] == ["python", "serve.py"]
        options = serve.parse(command[2:])
    assert options.host == "127.0.0.1"
    assert service["healthcheck"]["test"] == ["CMD", "python", "-m", "live.health", options.host, str(options.port)]
    assert service["init"] and service["stop_grace_period"] == "30s"  # more than the page gives its jobs
