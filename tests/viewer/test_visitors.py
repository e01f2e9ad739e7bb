import pytest

from viewer.visitors import stranger


@pytest.mark.parametrize(
    ("headers", "alone", "welcome"),
    [
        ({"Host": "127.0.0.1:8080"}, True, True),
        ({"Host": "localhost:8080", "Origin": "http://localhost:8080"}, True, True),
        ({"Host": "[::1]:8080", "Origin": "http://[::1]:8080"}, True, True),
        ({"Host": "127.0.0.1:8080", "Origin": "http://evil.example"}, True, False),
        ({"Host": "127.0.0.1:8080", "Origin": "http://127.0.0.1:9090"}, True, False),
        ({"Host": "127.0.0.1:8080", "Origin": "null"}, True, False),
        ({"Host": "evil.example:8080", "Origin": "http://evil.example:8080"}, True, False),
        ({"Host": "["}, True, False),
        ({}, True, False),
        ({"Host": "192.0.2.2:8080", "Origin": "http://192.0.2.2:8080"}, False, True),
        ({"Host": "192.0.2.2:8080", "Origin": "https://evil.example"}, False, False),
    ],
)
def test_a_server_talks_to_its_own_page_and_to_programs_alone(headers, alone, welcome):
    assert (stranger(headers, alone) is None) == welcome
