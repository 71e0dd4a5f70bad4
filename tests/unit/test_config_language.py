"""The config language: `extends:`, `for_each:` and `choose:`."""

import pytest

from scripts.lib.study.language import chosen, dotted, expand, merge


def expanded(entries: dict) -> dict:
    """The entries worked out; fails where anything is wrong with them."""
    families, mistakes = {}, []
    made = expand(entries, "runs", lambda path: ".".join(map(str, path)), families, mistakes)
    assert mistakes == []
    return made


def mistakes_of(entries: dict) -> list[str]:
    mistakes = []
    expand(entries, "runs", lambda path: ".".join(map(str, path)), {}, mistakes)
    return mistakes


def test_merging_is_deep_and_replaces_lists() -> None:
    below, above = {"a": {"x": 1, "y": [1, 2]}, "b": 1}, {"a": {"y": [3]}, "c": {"z": 1}}
    assert merge(below, above) == {"a": {"x": 1, "y": [3]}, "b": 1, "c": {"z": 1}}
    assert below == {"a": {"x": 1, "y": [1, 2]}, "b": 1}


def test_merged_values_are_copies() -> None:
    above = {"a": [1]}
    merge({}, above)["a"].append(2)
    assert above == {"a": [1]}


def test_extends_takes_over_what_is_not_said_anew() -> None:
    made = expanded({"b": {"extends": "a", "data": {"keep": "correct"}}, "a": {"data": {"rows": 3}, "steps": [1, 2]}})
    assert made["b"] == {"data": {"rows": 3, "keep": "correct"}, "steps": [1, 2]}
    assert made["a"] == {"data": {"rows": 3}, "steps": [1, 2]}


def test_extends_goes_through_several_entries() -> None:
    assert expanded({"a": {"x": 1, "y": 1}, "b": {"extends": "a", "y": 2}, "c": {"extends": "b"}})["c"] == {
        "x": 1,
        "y": 2,
    }


def test_lists_are_replaced_whole() -> None:
    assert expanded({"a": {"steps": [1, 2]}, "b": {"extends": "a", "steps": [3]}})["b"] == {"steps": [3]}


def test_null_deletes_a_key_at_any_depth() -> None:
    made = expanded(
        {"a": {"x": 1, "data": {"rows": 3, "keep": "all"}}, "b": {"extends": "a", "x": None, "data": {"rows": None}}}
    )
    assert made["b"] == {"data": {"keep": "all"}}


def test_null_in_an_entry_that_extends_nothing_stays() -> None:
    assert expanded({"a": {"x": None}}) == {"a": {"x": None}}


def test_unknown_parent_is_told_with_the_known_ones() -> None:
    assert mistakes_of({"a": {}, "b": {"extends": "c"}}) == ["runs.b.extends = 'c': not under runs (known: a, b)."]


@pytest.mark.parametrize("parent", [[["a"]], [None], {"a": 1}, 3, None])
def test_parent_that_is_no_name_is_told(parent) -> None:
    assert "runs.b.extends" in mistakes_of({"a": {}, "b": {"extends": parent}})[0]


def test_circle_of_extends_is_told() -> None:
    found = mistakes_of({"a": {"extends": "b"}, "b": {"extends": "a"}})
    assert "a cycle (a → b → a). Break it." in found[0]


def test_first_of_several_entries_wins() -> None:
    entries = {"a": {"x": 1, "data": {"rows": 1}}, "b": {"x": 2, "y": 2, "data": {"rows": 2, "keep": "all"}}}
    made = expanded({**entries, "c": {"extends": ["a", "b"]}, "d": {"extends": ["b", "a"]}})
    assert made["c"] == {"x": 1, "y": 2, "data": {"rows": 1, "keep": "all"}}
    assert made["d"] == {"x": 2, "y": 2, "data": {"rows": 2, "keep": "all"}}


def test_own_keys_win_over_all_entries() -> None:
    entries = {"a": {"x": 1, "y": 1}, "b": {"x": 2, "z": 2}}
    assert expanded({**entries, "c": {"extends": ["a", "b"], "x": 3}})["c"] == {"x": 3, "y": 1, "z": 2}


def test_lists_of_several_entries_are_replaced_whole() -> None:
    assert expanded({"a": {"l": [1]}, "b": {"l": [2, 3]}, "c": {"extends": ["a", "b"]}})["c"] == {"l": [1]}


def test_list_of_one_entry_is_that_entry() -> None:
    assert expanded({"a": {"x": 1, "y": None}, "b": {"extends": ["a"]}})["b"] == {"x": 1, "y": None}


def test_each_of_several_entries_has_extended_its_own() -> None:
    entries = {"a": {"x": 1}, "b": {"extends": "a", "y": 1}, "c": {"extends": "a", "x": 2}}
    assert expanded({**entries, "d": {"extends": ["b", "c"]}})["d"] == {"x": 1, "y": 1}
    assert expanded({**entries, "d": {"extends": ["c", "b"]}})["d"] == {"x": 2, "y": 1}


def test_null_deletes_what_any_of_the_entries_has() -> None:
    entries = {"a": {"x": 1, "data": {"rows": None}}, "b": {"data": {"rows": 2, "keep": "all"}}}
    assert expanded({**entries, "c": {"extends": ["a", "b"], "x": None}})["c"] == {"data": {"keep": "all"}}


def test_wrong_names_in_a_list_are_told_each_with_its_place() -> None:
    assert mistakes_of({"a": {}, "b": {"extends": ["c", "a", "d"]}}) == [
        "runs.b.extends.0 = 'c': not under runs (known: a, b).",
        "runs.b.extends.2 = 'd': not under runs (known: a, b).",
    ]


def test_list_that_names_no_entry_is_told() -> None:
    assert mistakes_of({"a": {"extends": []}}) == ["runs.a.extends = []: it names no entry. Name one, or remove it."]


def test_circle_through_a_list_is_told_where_it_closes() -> None:
    found = mistakes_of({"a": {"extends": ["c", "b"]}, "b": {"extends": ["a"]}, "c": {}})
    assert found[0] == "runs.b.extends.0 = 'a': a cycle (a → b → a). Break it."


def test_mistake_of_an_extended_entry_is_told_once() -> None:
    entries = {name: {"extends": "a"} for name in "bcd"}
    assert len(mistakes_of({"a": {"extends": "nope"}, **entries})) == 1
    assert len(mistakes_of({"a": {"extends": "a"}, **entries})) == 1


def test_template_is_extended_and_is_no_entry_itself() -> None:
    made = expanded({"_short": {"rows": 3}, "_shorter": {"extends": "_short", "rows": 2}, "a": {"extends": "_shorter"}})
    assert made == {"a": {"rows": 2}}


def test_template_passes_on_its_axes() -> None:
    made = expanded({"_each": {"for_each": {"t": [1, 2]}, "seed": "$t"}, "a-$t": {"extends": "_each"}})
    assert made == {"a-1": {"seed": 1}, "a-2": {"seed": 2}}


def test_mistake_of_a_template_is_told_though_nothing_extends_it() -> None:
    assert "runs._a.extends = 'b': not under runs" in mistakes_of({"_a": {"extends": "b"}})[0]


@pytest.mark.parametrize("value", [None, [1], "text"])
def test_template_without_keys_is_told(value) -> None:
    found = mistakes_of({"_a": value})
    assert found == [f"runs._a = {value!r}: a template holds keys. Write some, or remove it."]


def test_axes_make_their_product() -> None:
    made = expanded({"r-$a-$b": {"for_each": {"a": [1, 2], "b": ["x", "y"]}, "start": "m-$b"}})
    assert list(made) == ["r-1-x", "r-1-y", "r-2-x", "r-2-y"]
    assert made["r-2-x"] == {"start": "m-x"}


def test_family_is_known_by_its_name_with_axes() -> None:
    families = {}
    expand({"r-$a": {"for_each": {"a": [1, 2]}}, "b": {}}, "runs", str, families, [])
    assert families == {("runs", "r-$a"): ["r-1", "r-2"]}


def test_whole_string_axis_keeps_its_type() -> None:
    made = expanded({"r-$lr": {"for_each": {"lr": [1.0e-3]}, "rate": "$lr", "note": "rate $lr", "list": ["$lr"]}})
    assert made == {"r-0.001": {"rate": 0.001, "note": "rate 0.001", "list": [0.001]}}


def test_axis_of_a_mapping_gives_slugs_and_values() -> None:
    axis = {"small": {"rank": 4}, "none": None}
    made = expanded({"r-$lora": {"for_each": {"lora": axis}, "lora": "$lora", "note": "with $lora"}})
    assert made == {
        "r-small": {"lora": {"rank": 4}, "note": "with small"},
        "r-none": {"lora": None, "note": "with none"},
    }


def test_values_of_an_axis_are_copies() -> None:
    made = expanded({"r-$a-$b": {"for_each": {"a": {"x": {"rank": 4}}, "b": [1, 2]}, "lora": "$a"}})
    made["r-x-1"]["lora"]["rank"] = 8
    assert made["r-x-2"]["lora"]["rank"] == 4


def test_for_each_works_on_an_entry_that_extends() -> None:
    made = expanded(
        {
            "cft": {"seed": 1, "data": {"rows": 3}},
            "cft-$seed": {"extends": "cft", "for_each": {"seed": [5]}, "seed": "$seed"},
        }
    )
    assert made["cft-5"] == {"seed": 5, "data": {"rows": 3}}


def test_of_in_a_row_name_is_no_axis() -> None:
    made = expanded({"t_$a": {"for_each": {"a": [1]}, "rows": [{"name": "CFT $of", "of": "cft-*"}]}})
    assert made["t_1"]["rows"] == [{"name": "CFT $of", "of": "cft-*"}]


def test_axis_that_is_not_in_the_name_is_told() -> None:
    found = mistakes_of({"r-$a": {"for_each": {"a": [1], "b": [1, 2]}}})
    assert found == ["runs.r-$a.for_each: axis 'b' is not in the name 'r-$a'. Write $b into the name."]


def test_axis_is_not_in_the_name_where_only_a_longer_one_is() -> None:
    assert "axis 'lr' is not in the name" in mistakes_of({"r-$lr2": {"for_each": {"lr": [1, 2], "lr2": [1]}}})[0]


def test_unknown_axis_is_told() -> None:
    found = mistakes_of({"r-$a": {"for_each": {"a": [1]}, "data": {"critiques": "x-$teacher"}}})
    assert found == ["runs.r-$a: $teacher is no axis of for_each (a)."]


@pytest.mark.parametrize("axes", [[], {}, "a", None])
def test_for_each_that_is_no_mapping_is_told(axes) -> None:
    assert "it must map each axis to its values" in mistakes_of({"r-$a": {"for_each": axes}})[0]


def test_axis_without_values_is_told() -> None:
    assert "runs.r-$a.for_each.a: it has no values" in mistakes_of({"r-$a": {"for_each": {"a": []}}})[0]


def test_value_that_an_axis_holds_twice_is_told() -> None:
    assert "twice" in mistakes_of({"r-$a": {"for_each": {"a": [1, 2, 1]}}})[0]


def test_entry_that_a_family_makes_again_is_told() -> None:
    found = mistakes_of({"r-1": {}, "r-$a": {"for_each": {"a": [1]}}})
    assert found == ["runs.r-$a: it makes 'r-1', which already exists. Rename one."]


# --- choose -----------------------------------------------------------------------------------------------------------

DATA = {"rows": 9, "choose": "web", "scratch": {"critiques": "made"}, "released": {"dataset": "theirs", "rows": 5}}


def chosen_of(inputs: dict, data: dict = DATA) -> tuple[dict, list[str]]:
    mistakes: list[str] = []
    made = chosen({"run": {"data": data}}, inputs, lambda path: dotted(tuple(path)), ("runs",), mistakes)
    return made["run"]["data"], mistakes


@pytest.mark.parametrize(
    ("branch", "data"),
    [("scratch", {"rows": 9, "critiques": "made"}), ("released", {"rows": 5, "dataset": "theirs"})],
)
def test_choose_takes_the_branch_that_inputs_name_and_the_other_keys(branch: str, data: dict) -> None:
    assert chosen_of({"web": branch}) == (data, [])


def test_choose_is_found_in_lists() -> None:
    assert chosen_of({"web": "scratch"}, {"mix": [DATA, {"x": 1}]})[0]["mix"] == [
        {"rows": 9, "critiques": "made"},
        {"x": 1},
    ]


def test_unknown_input_and_branch_are_told() -> None:
    _, mistakes = chosen_of({"wob": "scratch"})
    assert mistakes == ["runs.run.data.choose = 'web': not under inputs (known: wob). Add it there."]
    _, mistakes = chosen_of({"web": "sratch"})
    assert len(mistakes) == 1 and mistakes[0].startswith("inputs.web = 'sratch': runs.run.data has no such branch")
    assert "scratch, released" in mistakes[0]
