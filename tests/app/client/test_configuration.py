from __future__ import annotations

import pytest

from app.client.configuration import ConfigurationError, config_file, configuration


def test_the_environment_goes_before_the_file_and_what_is_given_before_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert configuration().url == "http://127.0.0.1:8000"
    config_file().parent.mkdir(parents=True)
    config_file().write_text('url = "http://team:1/"\napi_key = "mt_file"\n')
    assert configuration() == configuration("http://team:1")
    assert configuration().api_key == "mt_file"
    assert configuration("http://elsewhere").api_key is None
    monkeypatch.setenv("MODEL_TRANSFER_URL", "http://other:2")
    assert (configuration().url, configuration().api_key) == ("http://other:2", None)
    monkeypatch.setenv("MODEL_TRANSFER_API_KEY", "mt_env")
    assert (configuration().api_key, configuration(api_key="mt_given").api_key) == ("mt_env", "mt_given")


@pytest.mark.parametrize("text", ["url = ", 'address = "x"', "url = 3", 'url = ""', "\xff"])
def test_a_file_that_cannot_be_used_is_named(text: str) -> None:
    config_file().parent.mkdir(parents=True)
    config_file().write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationError, match=r"config\.toml: expected"):
        configuration()
