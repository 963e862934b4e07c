import pytest

from tests.workers.transfer import examples
from workers.transfer.methods.parts.random_structures import has_random_structure, random_structure
from workers.transfer.networks.network import build


@pytest.mark.parametrize("kind", ["text", "sequence", "image"])
def test_a_structure_of_each_kind_of_data_is_drawn_from_the_seed_and_of_about_the_size(kind):
    data = examples.make(kind)
    usual = {"text": "text_convnet", "sequence": "sequence_convnet", "image": "convnet"}[kind]
    options = next(one for one in examples.NETWORKS[kind] if one["kind"] == usual)
    options = {
        **options,
        **{"text": {"embedding_units": 64, "filters": 64}}.get(kind, {"filters": [16], "dense_units": [64]}),
    }
    source = build(options, data, 3)
    drawn = [random_structure(source, seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1]
    assert drawn[0]["kind"] == usual
    sizes = [build(one, data, 3).backbone.count_params() for one in drawn]
    assert all(0.5 < size / source.backbone.count_params() < 2 for size in sizes)


def test_a_table_keeps_what_says_no_structure(options, numbers):
    drawn = random_structure(build({**options, "max_categories": 7}, numbers(), 3), 1)
    assert (drawn["kind"], drawn["max_categories"], drawn["preprocessing"]) == ("mlp", 7, True)


def test_an_architecture_that_is_given_as_a_whole_has_none():
    assert not has_random_structure({"kind": "application"})
    assert not has_random_structure({"kind": "pretrained"})
    assert has_random_structure({"kind": "mlp"})
