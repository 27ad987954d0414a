"""`.caffemodel` file -> arrays by layer, without Caffe.

A model is one protobuf message; of its format (developers.google.com/protocol-buffers/docs/encoding) only what holds
names and numbers is read, and the numbers straight from the mapped file: half a gigabyte needs no second copy. Fields
are those of `caffe.proto`: the present layer format (`NetParameter.layer`) and the one before it (`layers`), in which
VGG_ILSVRC_19_layers and VGG_FACE were published.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from talkface.errors import CheckpointError
from talkface.types import FloatArray


@dataclass(frozen=True)
class CaffeFields:
    """Field numbers of the published caffe.proto, and protobuf's wire types."""

    net_old_layer: int = 2
    net_layer: int = 100
    old_name: int = 4
    old_blobs: int = 6
    oldest_layer: int = 1
    layer_name: int = 1
    layer_blobs: int = 7
    blob_data: int = 5
    blob_doubles: int = 8
    blob_shape: int = 7
    shape_dim: int = 1
    blob_sides: tuple[int, int, int, int] = (1, 2, 3, 4)  # num, channels, height, width of blobs without a shape
    varint: int = 0  # wire types
    fixed64: int = 1
    bytes: int = 2
    fixed32: int = 5
    max_varint: int = 10  # bytes


CAFFE = CaffeFields()


@dataclass(frozen=True)
class CaffeLayer:
    """One layer with learnt numbers: of a convolution `[O, I, k, k]` and `[O]`."""

    name: str
    blobs: list[FloatArray]


class _Field(NamedTuple):
    number: int
    wire: int
    value: "int | memoryview"


def read_caffemodel(path: Path) -> list[CaffeLayer]:
    """Layers of a model that hold numbers, in order.

    Raises:
        CheckpointError: no such file, no protobuf message, an older format than the two, or numbers that do not fit
            their shape.
    """
    if not path.is_file():
        raise CheckpointError(f"no Caffe model {path}")
    try:
        layers = list(_layers(np.memmap(path, np.uint8, "r").data, path))
    except ValueError as error:  # UnicodeDecodeError is one
        raise CheckpointError(f"{path} is not a Caffe model, or is cut off: {error}") from error
    if not layers:
        raise CheckpointError(f"{path} holds no layer with weights: a .caffemodel is needed, not a .prototxt")
    return layers


def _layers(whole: memoryview, path: Path) -> Iterator[CaffeLayer]:
    for field in _fields(whole):
        if field.wire != CAFFE.bytes or field.number not in (CAFFE.net_old_layer, CAFFE.net_layer):
            continue
        assert isinstance(field.value, memoryview)
        name_field, blobs_field = (
            (CAFFE.old_name, CAFFE.old_blobs)
            if field.number == CAFFE.net_old_layer
            else (CAFFE.layer_name, CAFFE.layer_blobs)
        )
        name, blobs = "", []
        for inner in _fields(field.value):
            if inner.number == CAFFE.oldest_layer and field.number == CAFFE.net_old_layer:
                raise CheckpointError(f"{path} is in Caffe's first format: upgrade it with upgrade_net_proto_binary")
            if inner.wire == CAFFE.bytes and inner.number == name_field:
                assert isinstance(inner.value, memoryview)
                name = str(inner.value, "utf-8")
            elif inner.wire == CAFFE.bytes and inner.number == blobs_field:
                assert isinstance(inner.value, memoryview)
                blobs.append(_blob(inner.value))
        if blobs:
            yield CaffeLayer(name, blobs)


def _blob(message: memoryview) -> FloatArray:
    """Numbers in their shape, copied as float32."""
    parts: list[FloatArray] = []
    shape: list[int] | None = None
    sides: dict[int, int] = {}
    for field in _fields(message):
        if field.number == CAFFE.blob_shape and isinstance(field.value, memoryview):
            shape = _dims(field.value)
        elif field.number in CAFFE.blob_sides and isinstance(field.value, int):
            sides[field.number] = field.value
        elif field.number in (CAFFE.blob_data, CAFFE.blob_doubles) and isinstance(field.value, memoryview):
            kind = "<f4" if field.number == CAFFE.blob_data else "<f8"  # packed, or one number at a time
            parts.append(np.frombuffer(field.value, kind).astype(np.float32))
    numbers = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if shape is None:
        shape = [sides.get(side, 1) for side in CAFFE.blob_sides]
        while len(shape) > 1 and shape[0] == 1:
            shape = shape[1:]  # a bias was stored as 1 x 1 x 1 x O
    if numbers.size != np.prod(shape):
        raise ValueError(f"{numbers.size} numbers do not fit the shape {shape}")
    return numbers.reshape(shape)


def _dims(message: memoryview) -> list[int]:
    dims: list[int] = []
    for field in _fields(message):
        if field.number == CAFFE.shape_dim and isinstance(field.value, int):
            dims.append(field.value)
        elif field.number == CAFFE.shape_dim and isinstance(field.value, memoryview):
            place = 0
            while place < len(field.value):
                value, place = _varint(field.value, place)
                dims.append(value)
    return dims


def _fields(message: memoryview) -> Iterator[_Field]:
    """Fields of a message as they stand; varints as int, all others as bytes."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        number, wire = tag >> 3, tag & 7
        if wire == CAFFE.varint:
            value, place = _varint(message, place)
            yield _Field(number, wire, value)
            continue
        if wire == CAFFE.bytes:
            length, place = _varint(message, place)
        elif wire in (CAFFE.fixed64, CAFFE.fixed32):
            length = 8 if wire == CAFFE.fixed64 else 4
        else:
            raise ValueError(f"wire type {wire} at byte {place}")
        if place + length > len(message):
            raise ValueError(f"field {number} of {length} bytes passes the end")
        yield _Field(number, wire, message[place : place + length])
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """Number of 7 bits per byte, lowest first; and the place behind it."""
    value = 0
    for count in range(CAFFE.max_varint):
        if place + count >= len(message):
            raise ValueError("the file ends inside a number")
        byte = message[place + count]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, place + count + 1
    raise ValueError(f"a number of more than {CAFFE.max_varint} bytes at byte {place}")
