"""Molecules: what is a token, what is a molecule, how samples are judged, and what the sets hold."""

from __future__ import annotations

import itertools
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from moleculeparts import NONE, SPLITS, TRAIN

from dlbench.data import Data
from dlbench.data.root import default_cache
from dlbench.errors import NoData
from dlbench.testing import check_task, report
from dlbench_generation import molecules
from dlbench_generation.molecules import alphabet, chemistry, measures, readers
from dlbench_generation.molecules.alphabet import END, PADDING, START, Alphabet
from dlbench_generation.molecules.graphs import MoleculeGraphs
from dlbench_generation.molecules.strings import SmilesStrings

pytestmark = pytest.mark.numbers

SPECS = {spec.name: spec for spec in molecules.specs()}


# --- tokens -----------------------------------------------------------------------------------------------


def test_atoms_in_brackets_and_of_two_letters_are_one_token() -> None:
    found = alphabet.tokens_of("C[C@@H](Cl)c1cBrnc%12[N+]=O")
    assert found == ["C", "[C@@H]", "(", "Cl", ")", "c", "1", "c", "Br", "n", "c", "%12", "[N+]", "=", "O"]


def test_any_text_is_the_sum_of_its_tokens() -> None:
    for text in ("", "[", "]C[", "[C", "%1", "C\nl", "[[C]]", "Clr"):
        assert "".join(alphabet.tokens_of(text)) == text


def test_every_string_of_the_sets_comes_back_from_its_numbers(data_root: Path) -> None:
    data = Data(root=data_root, cache=default_cache())
    for source, counts in (("zinc", [10_000, 1000, 1000]), ("qm9", [107_109, 13_388, 13_388])):
        splits = readers.SOURCES[source].read(data)
        assert [len(texts) for texts in splits.values()] == counts
        known = Alphabet(text for texts in splits.values() for text in texts)
        for text in itertools.islice(itertools.chain(*splits.values()), 0, None, 5):
            ids = known.encode(text)
            assert (ids[0], ids[-1]) == (START, END)
            assert known.decode(ids) == text


def test_a_row_is_read_up_to_its_first_end() -> None:
    known = Alphabet(["CO", "N"])
    assert len(known) == 6
    c, n, o = known.encode("CNO")[1:-1]
    assert known.decode([START, c, o, END, n, END, PADDING]) == "CO"
    assert known.decode([c, o, END]) == "CO"  # a start may be missing
    assert known.decode([START, END]) == ""
    wrong = ([START, c, o], [], [START], [c, START, END], [c, PADDING, END], [c, 6, END], [-1, END], [1, 1, END])
    assert [known.decode(row) for row in wrong] == [None] * len(wrong)
    with pytest.raises(KeyError, match="F"):
        known.encode("F")


# --- molecules --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*TRAIN, *SPLITS["test"]])
def test_a_molecule_comes_back_from_its_atoms_and_bonds(text: str) -> None:
    molecule = chemistry.parsed(text)
    again = chemistry.assembled(*chemistry.taken_apart(molecule))
    assert chemistry.name_of(again) == chemistry.name_of(molecule)


def test_molecules_of_the_sets_come_back_from_their_graphs(data_root: Path) -> None:
    data = Data(root=data_root, cache=default_cache())
    for source, step in (("zinc", 20), ("qm9", 100)):
        with chemistry.quiet():
            for text in readers.SOURCES[source].read(data)["train"][::step]:
                molecule = chemistry.parsed(text)
                again = chemistry.assembled(*chemistry.taken_apart(molecule))
                assert chemistry.name_of(again) == chemistry.name_of(molecule)


def test_what_is_no_molecule_is_none_and_nothing_is_written(capfd: pytest.CaptureFixture[str]) -> None:
    with chemistry.quiet():
        for text in (None, "", NONE, "C(", "c1cccc1C", "C1CC", "[", "Q", "C\x00C", "(" * 300, "1", "[C@@", "c1ccccc"):
            assert chemistry.parsed(text) is None, text
        assert chemistry.assembled([], []) is None
        assert chemistry.assembled([("O", 0), ("C", 0), ("C", 0)], [(0, 1, 2), (0, 2, 2)]) is None  # =O= of four bonds
    assert capfd.readouterr().err == ""


def test_names_leave_stereochemistry_out() -> None:
    left, right = (chemistry.parsed(text) for text in ("N[C@@H](C)C(=O)O", "OC(=O)[C@@H](N)C"))
    assert chemistry.name_of(left) == chemistry.name_of(right) == chemistry.name_of(chemistry.parsed("CC(N)C(O)=O"))


def test_scaffolds_are_rings_and_what_joins_them() -> None:
    found = [chemistry.scaffold_of(chemistry.parsed(text)) for text in ("CCO", "Cc1ccccc1", "Cc1ccc(Oc2ccccc2)cc1")]
    assert found == ["", "", "c1ccc(Oc2ccccc2)cc1"]


def test_without_rdkit_a_task_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "rdkit", None)
    for made in (SmilesStrings, MoleculeGraphs):
        with pytest.raises(NoData, match=r"pip install 'dlbench\[molecules\]'"):
            made(SPLITS, cache=tmp_path)


# --- measures ---------------------------------------------------------------------------------------------


def measured(*texts: str | None, training: frozenset[str] = frozenset()) -> dict[str, float]:
    with chemistry.quiet():
        samples = measures.describe([chemistry.parsed(text) for text in texts])
        others = measures.describe([chemistry.parsed(text) for text in ("CO", "CCO", "c1ccccc1O")])
    return measures.measure(samples, training, others)


def test_shares_of_a_list_made_by_hand() -> None:
    texts = ("CCO", "OCC", "CC", "CC.O", NONE, None, "", "C1CC1", "CC", "CCN")  # OCC is CCO
    found = measured(*texts, training=frozenset({"CCO", "C1CC1", "CCCC"}))
    assert {name: found[name] for name in ("valid", "connected", "unique", "novel")} == {
        "valid": 7 / 10, "connected": 6 / 7, "unique": 5 / 7, "novel": 3 / 5,
    }  # fmt: skip
    assert (found["distinct_molecules"], found["new_molecules"]) == (4 / 10, 2 / 10)  # CC.O is in two pieces


def test_nothing_valid_is_a_list_of_finite_numbers() -> None:
    for texts in ((NONE, None), (None,), ()):
        found = measured(*texts)
        assert all(map(math.isfinite, found.values()))
        assert {found[name] for name in found if name != "property_distance"} == {0.0}
        assert found["property_distance"] > 1
        assert measures.warnings(found) == []


def test_distance_is_how_far_values_are_moved() -> None:
    random = np.random.RandomState(0)
    others = random.randn(500, 4) * [1, 2, 3, 4]
    assert measures.distance(others[::-1], others) == 0
    moved = others + np.array([3, 0, 0, -1]) * others.std(axis=0)
    assert measures.distance(moved, others) == pytest.approx((3 + 0 + 0 + 1) / 4)
    assert measures.distance(np.ones((3, 4)), np.ones((5, 4))) == 0  # nothing varies


def test_likeness_is_a_cosine_of_counts() -> None:
    assert measures.likeness(["a", "a", "b", ""], ["a", "b", "b"]) == pytest.approx(4 / 5)
    assert measures.likeness(["a", "b"], ["a", "b", "a", "b"]) == pytest.approx(1)
    assert measures.likeness(["a"], ["b"]) == measures.likeness([""], ["a"]) == measures.likeness([], []) == 0


def test_collapse_and_copies_are_flagged_where_there_is_something_to_see() -> None:
    def flags(valid: float, unique: float, novel: float) -> list[str]:
        return measures.warnings({"valid": valid, "unique": unique, "novel": novel})

    assert flags(0.6, 0.18, 0.9) == ["collapsed"]
    assert flags(1.0, 0.99, 0.0) == ["copies"]
    assert flags(1.0, 0.01, 0.0) == ["collapsed", "copies"]
    assert flags(0.5, 0.9, 0.2) == flags(0.04, 0.1, 0.0) == []


# --- the sets ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["zinc_smiles", "zinc_gen"])
def test_task_conforms(name: str, data_root: Path) -> None:
    findings = check_task(SPECS[name], data_root=data_root)
    assert not [f for f in findings if not f.ok], report(findings)


def test_qm9_is_not_split_by_position(data_root: Path) -> None:
    splits = readers.SOURCES["qm9"].read(Data(root=data_root, cache=default_cache()))
    assert splits["train"][:8] == ["C", "N", "O", "C#C", "C#N", "C=O", "CC", "CO"]
    assert (splits["val"][0], splits["test"][0]) == ("CC#C", "CC#N")
    sizes = [np.mean([len(text) for text in texts]) for texts in splits.values()]
    assert max(sizes) - min(sizes) < 0.1


def test_a_list_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / readers.QM9.files[0].path
    file.parent.mkdir(parents=True)
    data = Data(root=tmp_path, cache=tmp_path)
    with pytest.raises(NoData, match="is missing"):
        readers.SOURCES["qm9"].read(data)
    file.write_bytes(b"smiles\nC\n")  # not packed
    with pytest.raises(NoData, match="can't be read"):
        readers.SOURCES["qm9"].read(data)
    other = tmp_path / readers.ZINC.files[0].path
    other.parent.mkdir(parents=True)
    other.write_text("split,text\ntrain,C\n")
    with pytest.raises(NoData, match="no column smiles"):
        readers.SOURCES["zinc"].read(data)


def test_data_that_are_no_molecules_are_named(tmp_path: Path) -> None:
    with pytest.raises(NoData, match="isn't a molecule"):
        SmilesStrings({**SPLITS, "train": ["C", NONE]}, cache=tmp_path)
