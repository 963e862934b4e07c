from __future__ import annotations

import pytest

from app.access.scopes import Scope, scope_needed


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/v1/models/m@1:predict", "read"),
        ("PUT", "/v1/models/m/aliases/a:predict", "write"),
        ("DELETE", "/v1/models/m:predict", "write"),
        ("POST", "/v1/jobs/j:predict", "write"),
        ("POST", "/v1/keys/k:predict", "admin"),
        ("POST", "/v1/jobs", "write"),
        ("HEAD", "/v1/jobs", "read"),
    ],
)
def test_only_a_prediction_of_a_model_changes_nothing_though_it_is_posted(
    method: str, path: str, scope: Scope
) -> None:
    assert scope_needed(method, path) == scope
