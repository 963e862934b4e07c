from __future__ import annotations

import pytest
from fastapi.testclient import TestClient


@pytest.mark.parametrize("resource", ["methods", "networks"])
def test_each_kind_has_its_schema_its_defaults_and_a_sentence(client: TestClient, resource: str) -> None:
    for view in client.get(f"/v1/{resource}").json()["data"]:
        assert client.get(f"/v1/{resource}/{view['kind']}").json() == view
        assert set(view["options"]["properties"]) == set(view["defaults"]) | set(view["required"])
        assert view["summary"].endswith(".")


def test_all_four_methods_say_when_to_use_them(client: TestClient) -> None:
    views = client.get("/v1/methods").json()["data"]
    assert [view["kind"] for view in views] == ["parameter", "structure", "combined", "distillation"]
    assert all(view["when_to_use"].startswith("Use it when") for view in views)


def test_an_unknown_kind_is_told_the_known_ones(client: TestClient) -> None:
    answer = client.get("/v1/methods/combine")
    assert (answer.status_code, answer.json()["code"]) == (404, "kind_not_found")
    assert "combined" in answer.json()["hint"]
