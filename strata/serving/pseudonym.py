"""Pseudonyms: keyed hashes that are equal wherever the same value stands, and lead back to it only with the key.

Belongs here: the key of a home and the hash. Does not: whom it is used for (`strata.serving.sight`).
"""

import hmac
import os
import secrets
import stat
from hashlib import sha256
from pathlib import Path

import pyarrow as pa

from strata.durable import fsync_path

KEY_BYTES = 32
# 128 bits: a billion values collide with a chance below 10^-20.
HEX_DIGITS = 32
PREFIX = "p_"
OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Pseudonyms:
    """Pseudonyms under one key; values of a column name have the same one in every table and export."""

    def __init__(self, key: bytes) -> None:
        """Take the key."""
        self._key = key

    @property
    def key_id(self) -> str:
        """Tells keys apart without telling the key."""
        return hmac.new(self._key, b"\0key", sha256).hexdigest()[:16]

    def column(self, name: str, values: pa.Array) -> pa.Array:
        """Pseudonyms of text values, null for null.

        Examples:
            >>> made = Pseudonyms(bytes(32)).column("customer_id", pa.array(["C1", None, "C1"]))
            >>> made[0].as_py() == made[2].as_py(), made[1].as_py(), len(made[0].as_py())
            (True, None, 34)
        """
        encoded = values.dictionary_encode()
        hashed = [None if value is None else self._of(name, value) for value in encoded.dictionary.to_pylist()]
        return pa.DictionaryArray.from_arrays(encoded.indices, pa.array(hashed, pa.string())).cast(pa.string())

    def _of(self, name: str, value: str) -> str:
        message = name.encode() + b"\0" + value.encode("utf-8", "surrogatepass")
        return PREFIX + hmac.new(self._key, message, sha256).hexdigest()[:HEX_DIGITS]


def pseudonyms(path: Path) -> Pseudonyms:
    """The pseudonyms of a home; its key is made on first use, readable by its owner only.

    Raises:
        ValueError: the key is not whole, or others may read it; pseudonyms under it would be worth nothing.
    """
    if not path.is_file():
        _make(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & OTHERS:
        raise ValueError(f"{path} has mode {mode:04o}, so others can undo pseudonyms; chmod 600 it, or make a new key")
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise ValueError(f"{path} has {len(key)} bytes instead of {KEY_BYTES}; restore it from a copy")
    return Pseudonyms(key)


def _make(path: Path) -> None:
    """Write a key whole or not at all; of two makers the first wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(secrets.token_bytes(KEY_BYTES))
            handle.flush()
            os.fsync(handle.fileno())
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return
    finally:
        temporary.unlink()
    fsync_path(path.parent)
