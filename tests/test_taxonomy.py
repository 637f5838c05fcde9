import pytest

from describer.errors import TaxonomyError
from describer.taxonomy import known_taxonomies, load_taxonomy, parse_taxonomy

GOOD = {"name": "liver", "kind": "anatomy", "colour": [1, 2, 3], "code": 1}


def test_the_core_set_is_the_embedded_models_own():
    core = load_taxonomy("core")
    assert [label.code for label in core.labels] == list(range(1, 22))
    assert len(core.of_kind("instrument")) == 9
    assert core.of_kind("pathology") == ("polyp",)
    assert len(core.activities) == 13
    assert core.label("marking dots").code == 21


@pytest.mark.parametrize("name", known_taxonomies())
def test_every_shipped_set_loads_and_maps_to_core(name):
    taxonomy, core = load_taxonomy(name), load_taxonomy("core")
    assert taxonomy.name == name
    for label in taxonomy.labels:
        assert label.core is None or label.core in core.names
    colours = [label.colour for label in taxonomy.labels]
    assert len(set(colours)) == len(colours)


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ([GOOD, GOOD], "repeat"),
        ([GOOD, {**GOOD, "name": "fat"}], "codes repeat"),
        ([GOOD, {**GOOD, "name": "fat", "code": 2, "synonyms": ["Liver"]}], "two labels"),
        ([{**GOOD, "kind": "organ"}], "kind"),
        ([{**GOOD, "colour": [1, 2]}], "colour"),
        ([{**GOOD, "colour": [1, 2, 256]}], "colour"),
        ([{**GOOD, "color": [1, 2, 3]}], "unknown keys"),
        ([{"kind": "anatomy", "colour": [1, 2, 3]}], "no name"),
        (None, "list `labels`"),
    ],
)
def test_a_malformed_set_is_named(labels, why):
    with pytest.raises(TaxonomyError, match=why):
        parse_taxonomy({"labels": labels}, "mine")


def test_unknown_keys_of_the_file_are_named():
    with pytest.raises(TaxonomyError, match="ignore"):
        parse_taxonomy({"labels": [GOOD], "ignore": [0]}, "mine")


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("labels:\n  - {name: liver, kind: anatomy, colour: [1, 2, 3]}\n", encoding="utf-8")
    assert load_taxonomy(str(path)).names == ("liver",)


@pytest.mark.parametrize(("name", "why"), [("cor", "core"), ("/nowhere/x.yaml", "cannot be read")])
def test_an_unknown_set_lists_the_known(name, why):
    with pytest.raises(TaxonomyError, match=why):
        load_taxonomy(name)


def test_broken_yaml_is_named(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("labels: [", encoding="utf-8")
    with pytest.raises(TaxonomyError, match=r"broken\.yaml is not valid YAML"):
        load_taxonomy(str(path))


def test_an_unknown_label_lists_the_known():
    with pytest.raises(TaxonomyError, match=r"'spleen'.*liver"):
        load_taxonomy("core").label("spleen")
