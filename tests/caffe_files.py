"""Caffe models in both of the format's versions, written by protobuf's own library."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from talkface.models.perceptual import layer_shapes

MESSAGES = {  # name, number, type, repeated; as in caffe.proto
    "BlobShape": [("dim", 1, "int64", True)],
    "BlobProto": [
        ("num", 1, "int32", False),
        ("channels", 2, "int32", False),
        ("height", 3, "int32", False),
        ("width", 4, "int32", False),
        ("data", 5, "float", True),
        ("diff", 6, "float", True),
        ("shape", 7, "BlobShape", False),
    ],
    "LayerParameter": [
        ("name", 1, "string", False),
        ("type", 2, "string", False),
        ("bottom", 3, "string", True),
        ("blobs", 7, "BlobProto", True),
    ],
    "V1LayerParameter": [
        ("bottom", 2, "string", True),
        ("name", 4, "string", False),
        ("type", 5, "int32", False),
        ("blobs", 6, "BlobProto", True),
    ],
    "NetParameter": [
        ("name", 1, "string", False),
        ("layers", 2, "V1LayerParameter", True),
        ("input_dim", 4, "int32", True),
        ("layer", 100, "LayerParameter", True),
    ],
}


@functools.cache
def net_parameter() -> Any:
    """Message class of a Caffe model, built by the protobuf library from the published field numbers."""
    descriptor_pb2 = pytest.importorskip("google.protobuf.descriptor_pb2")
    from google.protobuf import descriptor_pool, message_factory

    field_of = descriptor_pb2.FieldDescriptorProto
    types = {
        "string": field_of.TYPE_STRING,
        "int32": field_of.TYPE_INT32,
        "int64": field_of.TYPE_INT64,
        "float": field_of.TYPE_FLOAT,
    }
    file = descriptor_pb2.FileDescriptorProto(name="caffe_for_tests.proto", package="caffe", syntax="proto2")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            label = field_of.LABEL_REPEATED if repeated else field_of.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=label)
            added.type = types.get(kind, field_of.TYPE_MESSAGE)
            if kind not in types:
                added.type_name = f".caffe.{kind}"
            added.options.packed = repeated and kind in ("float", "int64") and field != "diff"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("caffe.NetParameter"))


def add_layer(net: Any, name: str, weight: np.ndarray, bias: np.ndarray, old: bool) -> None:
    layer = net.layers.add(name=name, type=4, bottom=["x"]) if old else net.layer.add(name=name, type="Convolution")
    for array in (weight, bias):
        blob = layer.blobs.add()
        if old:
            blob.num, blob.channels, blob.height, blob.width = (1,) * (4 - array.ndim) + array.shape
        else:
            blob.shape.dim.extend(array.shape)
        blob.data.extend(array.ravel().tolist())


def write_vgg(kind: str, path: Path, old: bool, wrong: str = "") -> dict[str, np.ndarray]:
    """A model with the real names and shapes of `kind`, each layer filled with its own number; conv1_1 at random."""
    net = net_parameter()(name="VGG")
    arrays = {}
    for index, (name, inputs, outputs) in enumerate(layer_shapes(kind)):
        weight = np.full((outputs, inputs, 3, 3 + (name == wrong)), 0.001 * index, np.float32)
        if index == 0:
            weight = np.random.default_rng(0).normal(size=weight.shape).astype(np.float32)
        arrays[name] = weight
        add_layer(net, name, weight, np.full(outputs, index, np.float32), old)
        if name == wrong:
            break
    add_layer(net, "fc6", np.zeros((2, 3), np.float32), np.zeros(2, np.float32), old)
    path.write_bytes(net.SerializeToString())
    return arrays
