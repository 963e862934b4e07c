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


def test_blanks_around_a_key_are_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert configuration(api_key=" mt_given\r\n").api_key == "mt_given"
    monkeypatch.setenv("MODEL_TRANSFER_API_KEY", "\tmt_env\n")
    assert configuration().api_key == "mt_env"
    monkeypatch.setenv("MODEL_TRANSFER_API_KEY", " \n")
    assert configuration().api_key is None


@pytest.mark.parametrize("key", ["mt_a secret", "mt_a\r\nsecret", "mt_\N{EM DASH}secret", "mt_\x00secret"])
def test_a_text_that_is_no_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ConfigurationError, match="Expected an API key") as refused:
        configuration(api_key=key)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("text", ["url = ", 'address = "x"', "url = 3", 'url = ""', "\xff"])
def test_a_file_that_cannot_be_used_is_named(text: str) -> None:
    config_file().parent.mkdir(parents=True)
    config_file().write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationError, match=r"config\.toml: expected"):
        configuration()
