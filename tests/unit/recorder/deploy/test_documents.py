import pytest

from mesh_core.errors import MeshError
from mesh_recorder.deploy.documents import drop_named, put, put_named, read_documents, write_documents

TEXT = """\
# head
mode: 0644
said: yes
quoted: "x"   # why
list:
- name: a   # first
  value: 1
# between
other:
  block: |
    two
    lines
  anchor: &x {a: 1}
  alias: *x
---
second: 1.10
"""


def test_what_is_not_changed_is_written_as_it_was_read() -> None:
    assert write_documents(read_documents(TEXT, "x"), like=TEXT) == TEXT


def test_lists_that_stand_deeper_than_their_key_stay_there() -> None:
    text = "a:\n  - b:\n      - c\n"

    assert write_documents(read_documents(text, "x"), like=text) == text


def test_empty_documents_are_left_out() -> None:
    assert read_documents("---\n---\na: 1\n---\n", "x") == [{"a": 1}]


def test_a_value_that_is_the_same_keeps_its_comment() -> None:
    (document, _) = read_documents(TEXT, "x")

    put(document, "quoted", "x")
    put_named(document["list"], {"name": "a", "value": 1})

    assert write_documents([document], like=TEXT) == TEXT.partition("---")[0]


def test_another_value_keeps_the_comments_around_it() -> None:
    (document, _) = read_documents(TEXT, "x")

    put_named(document["list"], {"name": "a", "value": 2, "more": True})
    put_named(document["list"], {"name": "b"})
    drop_named(document["list"], "nobody")

    text = write_documents([document], like=TEXT)
    assert "- name: b\n- name: a   # first\n  value: 2\n" in text
    assert "# between" in text


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("a: 1\nb: [1\n", "x.yaml:3: broken YAML: "),
        ("a: 1\n\tb: 2\n", "x.yaml:2: broken YAML: "),
        ("a: 1\na: 2\n", "x.yaml:2: broken YAML: found duplicate key"),
        ("a: \x00\n", "x.yaml: broken YAML: "),
        ("a: *nobody\n", "x.yaml:1: broken YAML: "),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, start: str) -> None:
    with pytest.raises(MeshError) as caught:
        read_documents(text, "x.yaml")

    assert str(caught.value).startswith(start)
    assert "\n" not in str(caught.value)
