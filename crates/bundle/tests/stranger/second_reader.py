"""A second reader of bundles, written from docs/formats/bundle.md and docs/formats/ledger.md alone.

It checks structure, commitments, the one proof for all entries, and the seal. It checks no signature and derives no
event: it is here so that the documents, and not only our own code, say how a bundle is read.
"""

import base64
import hashlib
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


def main(path):
    with open(path, "rb") as file:
        data = file.read()
    first, at = read_item(data, 0)
    assert first in ("ascribe/bundle/v1", "ascribe/bundle/v2"), "the first item"
    tree, checkpoint, ended, records = Tree(), None, False, {}
    while at < len(data):
        assert not ended, "bytes behind the seal"
        begin = at
        item, at = read_item(data, at)
        if item[0] == 2:
            checkpoint = item[2].decode().split("\n")
        elif item[0] == 4:
            tree.fill(item[1], item[3])
            tree.push(1, sha256(b"\0", item[4]))
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
        elif item[0] == 7:
            assert item[1] == sha256(b"ascribe/bundle-seal/v1\0", sha256(data[:begin])), "the seal"
            ended = True
    assert ended, "no seal"


main(sys.argv[1])
