"""A second reader of bundles, written from docs/formats/bundle.md, docs/formats/ledger.md and docs/formats/index.md alone.

It checks structure, commitments, the one proof for all entries, that no entry was left out where a range is sealed, and
the seal. It checks no signature and derives no event: it is here so that the documents, and not only our own code, say
how a bundle is read.
"""

import base64
import hashlib
import json
import sys


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def read_item(data, at):
    """The CBOR item at an offset, and where the next one begins."""
    major, argument = data[at] >> 5, data[at] & 31
    at += 1
    if argument >= 24:
        width = 1 << (argument - 24)
        argument = int.from_bytes(data[at : at + width], "big")
        at += width
    if major == 0:
        return argument, at
    if major == 2:
        return data[at : at + argument], at + argument
    if major == 3:
        return data[at : at + argument].decode(), at + argument
    assert major == 4, "another type"
    elements = []
    for _ in range(argument):
        element, at = read_item(data, at)
        elements.append(element)
    return elements, at


class Tree:
    """The stack of subtrees that a reader keeps."""

    def __init__(self):
        self.size, self.stack = 0, []

    def push(self, width, root):
        self.size += width
        while self.stack and self.stack[-1][0] == width:
            root = sha256(b"\1", self.stack.pop()[1], root)
            width *= 2
        self.stack.append((width, root))

    def fill(self, end, hashes):
        while self.size < end:
            width = 1 << ((end - self.size).bit_length() - 1)
            if self.size:
                width = min(width, self.size & -self.size)
            self.push(width, hashes[:32])
            hashes = hashes[32:]
        assert not hashes, "too many hashes"

    def root(self):
        roots = [root for _, root in self.stack]
        result = roots.pop()
        while roots:
            result = sha256(b"\1", roots.pop(), result)
        return result


def counted(data):
    return len(data).to_bytes(8, "big") + data


def lead_to(root, size, index, leaf, path):
    """Whether an inclusion proof leads from a leaf to the root (RFC 9162, 2.1.3.2)."""
    first, last, found = index, size - 1, leaf
    assert index < size and len(path) % 32 == 0, "the place of a row"
    for at in range(0, len(path), 32):
        sibling = path[at : at + 32]
        assert last, "a path too long"
        if first & 1 or first == last:
            found = sha256(b"\1", sibling, found)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            found = sha256(b"\1", found, sibling)
        first, last = first >> 1, last >> 1
    assert not last and found == root, "the path of a row"


def read_row(row, width):
    """The digest of a row, and its places by tag."""
    digest, at, keys = row[:32], 32, {}
    while at < len(row):
        tag, count = row[at : at + 16], int.from_bytes(row[at + 16 : at + 18], "big") + 1
        at += 18
        places = [int.from_bytes(row[at + 2 * i : at + 2 * i + 2], "big") for i in range(count)]
        at += 2 * count
        assert places == sorted(set(places)) and places[-1] < width, "the places of a row"
        assert not keys or max(keys) < tag, "the tags of a row"
        keys[tag] = places
    assert at == len(row) and keys, "the form of a row"
    return digest, keys


def check_range(item, roots, names, here):
    """That every entry of the names in one sealed range is in the bundle."""
    head, salt = json.loads(roots.pop(item[1])), item[2]
    assert base64.b64decode(head["salt"]) == sha256(b"ascribe/index-salt/v1\0", salt), "the salt"
    root, size, width = base64.b64decode(head["root"]), head["rows"], head["to"] - head["from"]
    values = sorted({name[2] for name in names}, key=str.encode)
    assert len(values) == len(item[3]), "a proof for each value"

    def placed(index, row, path):
        lead_to(root, size, index, sha256(b"\0", row), path)
        return read_row(row, width)

    for value, proof in zip(values, item[3]):
        wanted = sha256(b"ascribe/index-key/v1\0", salt, counted(value.encode()))
        if proof[0] == 0:
            digest, keys = placed(*proof[1:])
            assert digest == wanted, "the value of a row"
            for kind, scope, _ in (name for name in names if name[2] == value):
                domain = b"ascribe/index-scope/v1\0"
                tag = sha256(domain, salt, counted(kind.encode()), counted(scope.encode()))[:16]
                chosen = keys.values() if kind == "ascribe.any" else [keys.get(tag, [])]
                for place in (place for places in chosen for place in places):
                    assert head["from"] + place in here, "an entry was left out"
        elif proof[0] == 1:
            before, after = proof[1], proof[2]
            left = before[0] if before else -1
            assert left + 1 == (after[0] if after else size), "neighbours"
            assert not before or placed(*before)[0] < wanted, "the row before"
            assert not after or wanted < placed(*after)[0], "the row behind"


def main(path):
    with open(path, "rb") as file:
        data = file.read()
    first, at = read_item(data, 0)
    assert first in ("ascribe/bundle/v1", "ascribe/bundle/v2"), "the first item"
    tree, checkpoint, ended, records = Tree(), None, False, {}
    names, roots, here = [], {}, set()
    while at < len(data):
        assert not ended, "bytes behind the seal"
        begin = at
        item, at = read_item(data, at)
        if item[0] == 1:
            names = item[4]
        elif item[0] == 2:
            checkpoint = item[2].decode().split("\n")
        elif item[0] == 4:
            tree.fill(item[1], item[3])
            tree.push(1, sha256(b"\0", item[4]))
            # Field 2 of the envelope: its kind, of which 0 is a record and 9 the root of an index.
            kind = item[4][4]
            if kind == 0:
                here.add(item[1])
            elif kind == 9:
                roots[item[1]] = item[6]
            if len(item) == 7:
                salt, captured = item[5], item[6]
                length = len(captured).to_bytes(8, "big")
                commitment = sha256(b"ascribe/captured/v1\0", salt, length, captured)
                # Field 7 of the envelope: a byte string of 32 bytes.
                assert b"\x07\x58\x20" + commitment in item[4], "a commitment"
                if b" sealed=" in captured:
                    records[item[1]] = captured
        elif item[0] == 5:
            tree.fill(int(checkpoint[1]), item[1])
            assert tree.root() == base64.b64decode(checkpoint[2]), "the root"
        elif item[0] == 8:
            value = item[5].encode()
            length = len(value).to_bytes(8, "big")
            commitment = sha256(b"ascribe/sealed/v1\0", item[4], length, value)
            assert b" sealed=" + commitment.hex().encode() + b"]" in records[item[1]], "a disclosure"
        elif item[0] == 9:
            check_range(item, roots, names, here)
        elif item[0] == 7:
            assert not roots, "an index that nothing refers to"
            assert item[1] == sha256(b"ascribe/bundle-seal/v1\0", sha256(data[:begin])), "the seal"
            ended = True
    assert ended, "no seal"


main(sys.argv[1])
