"""``eqlab cite``: every source that a table's entry names has a reference, a run gets its own and no others, and the form is BibTeX."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from command_line import Found

import eqlab
from experiments.papers.cite import references_of, text_of
from experiments.papers.references import REFERENCES

ROOT = Path(__file__).resolve().parents[2]
MENTION = re.compile(r"(?:[A-Z][\w'-]+(?:(?:, | & | and )[A-Z][\w'-]+)*)(?: et al\.,? \(?|,? \(|, )(?:18|19|20)\d\d\b")
TABLES = ("RULES", "NETWORKS", "COSTS", "DYNAMICS", "DATASETS", "VIEWS", "SAMPLERS", "MIXINGS", "OPTIMISERS", "STORAGE")


def test_every_source_that_an_entry_names_has_one_reference() -> None:
    """If this fails, a bibliography lacks a paper that a docstring names, or has it twice."""
    unknown, met = {}, set()
    for table in TABLES:
        for name in getattr(eqlab, table):
            text = text_of(name, getattr(eqlab, table))
            met |= {reference.cited for reference in references_of(text)}
            for mention in MENTION.findall(" ".join(text.split())):
                plain = re.sub(r",? \(?(\d{4})$", r" \1", mention)
                if not any(one.cited.endswith(plain) or plain.endswith(one.cited) for one in references_of(text)):
                    unknown[mention] = name
    assert unknown == {}
    assert {one.cited for one in REFERENCES} == met
    assert [key for key, count in Counter(one.key for one in REFERENCES).items() if count > 1] == []
    assert references_of("Scellier and others (2017), and Bengios et al. (2017)") == []


def test_a_run_cites_what_it_used_and_nothing_else(found: Found, here: Path) -> None:
    """If this fails, a paper lacks the sources of its methods, or cites those of others."""
    found("sweep", "new", "a", "relaxation", "--grid", "dynamics=anderson,gradient-flow", "--seeds", 1)
    cited = found("cite", "a")
    assert cited["parts"]["dynamics anderson"] == ["fang2009classes", "walker2011anderson"]
    assert cited["parts"]["dynamics gradient-flow"] == ["scellier2017equilibrium"]
    assert set(cited["references"]) == {key for keys in cited["parts"].values() for key in keys}
    assert "ernoult2019updates" not in cited["references"]
    assert cited["references"]["scellier2017equilibrium"]["title"].startswith("Equilibrium Propagation: Bridging the Gap")


def test_every_entry_is_bibtex() -> None:
    """If this fails, a bibliography cannot be read by BibTeX, or an entry has neither authors nor a key to sort it by."""
    for reference in REFERENCES:
        entry = reference.bibtex()
        assert re.match(r"@misc\{[a-z0-9]+,\n", entry)
        assert entry.count("{") == entry.count("}")
        fields = set(re.findall(r"^  (\w+) = \{", entry, re.MULTILINE))
        assert {"title", "year"} <= fields
        assert len(fields & {"author", "key"}) == 1


def test_the_citation_file_is_that_of_the_package() -> None:
    """If this fails, the program is cited with another version or licence."""
    fields = dict(re.findall(r"^([\w-]+): \"?(.*?)\"?$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE))
    declared = dict(re.findall(r"^(\w+) = (.*)$", (ROOT / "setup.cfg").read_text("utf-8").split("[options]")[0], re.MULTILINE))
    assert fields["abstract"] == declared["description"]
    assert fields["title"] == f"{declared['name']}: {declared['description'].split(':')[0]}"
    assert (fields["version"], fields["license"]) == (declared["version"], declared["license"])
