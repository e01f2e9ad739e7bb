"""What the tests of the bridge share."""

import pytest

from viewer.bridge.protocols import PROTOCOLS


@pytest.fixture(params=sorted(PROTOCOLS))
def protocol(request):
    """Each of the protocols."""
    return PROTOCOLS[request.param]
