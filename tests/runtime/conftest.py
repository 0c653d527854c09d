"""What the tests of the core share: a real bundle, and manifests signed by hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from subpixel.bundle import Bundle
from subpixel.catalogue import find

Sign = Callable[[dict[str, Any]], bytes]


@pytest.fixture(scope="session")
def shipped() -> Bundle:
    """ESPCN x3 as it comes with the package."""
    return find("espcn-x3")


@pytest.fixture(scope="session")
def sign() -> Sign:
    """A manifest's JSON from its content, its own hash made as docs/bundle-format.md tells, not by the package."""

    def signed(content: dict[str, Any]) -> bytes:
        unsigned = {key: value for key, value in content.items() if key != "manifest_sha256"}
        text = json.dumps({**unsigned, "manifest_sha256": "0" * 64}).encode()
        before, _, after = text.rpartition(b"0" * 64)
        return before + hashlib.sha256(text).hexdigest().encode() + after

    return signed
