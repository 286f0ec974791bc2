// A writer of ONNX models, as far as the cases need it: nodes, attributes, initialisers, inputs and outputs, in the
// protobuf wire format of onnx.proto3.

export const types = { f32: 1, u8: 2, s8: 3, s32: 6, s64: 7 };
const arrays = { f32: Float32Array, u8: Uint8Array, s8: Int8Array, s32: Int32Array, s64: BigInt64Array };

function varint(value) {
  const bytes = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

const whole = (field, value) => Buffer.concat([varint(field << 3), varint(value)]);
const bytes = (field, content) => Buffer.concat([varint((field << 3) | 2), varint(content.length), content]);
const text = (field, value) => bytes(field, Buffer.from(value));
const message = (field, ...parts) => bytes(field, Buffer.concat(parts));

function float(field, value) {
  const content = Buffer.alloc(4);
  content.writeFloatLE(value);
  return Buffer.concat([varint((field << 3) | 5), content]);
}

/** AttributeProto: a whole number, a list of them, or { float }. */
function attribute([name, value]) {
  if (Array.isArray(value)) return message(5, text(1, name), ...value.map((entry) => whole(8, entry)), whole(20, 7));
  if (typeof value === 'object') return message(5, text(1, name), float(2, value.float), whole(20, 1));
  return message(5, text(1, name), whole(3, value), whole(20, 2));
}

const shapeProto = (dims) => message(2, ...dims.map((dim) => message(1, whole(1, dim))));
const valueInfo = (field, name, dtype, dims) =>
  message(field, text(1, name), message(2, message(1, whole(1, types[dtype]), shapeProto(dims))));

/** A model that is built node by node. */
export class Model {
  inputs = [];
  #parts = [];
  #count = 0;

  /** A graph input; returns its name. */
  input(dtype, dims) {
    const name = `x${this.inputs.length}`;
    this.inputs.push({ name, dtype, dims });
    return name;
  }

  /** An initialiser of the values that `draw` gives; returns its name. */
  constant(dtype, dims, draw) {
    const name = `c${this.#count++}`;
    const count = dims.reduce((n, d) => n * d, 1);
    const values = arrays[dtype].from({ length: count }, (_, i) => (dtype === 's64' ? BigInt(draw(i)) : draw(i)));
    const raw = Buffer.from(values.buffer);
    this.#parts.push(message(5, ...dims.map((d) => whole(1, d)), whole(2, types[dtype]), text(8, name), bytes(9, raw)));
    return name;
  }

  /** A node with one output; returns its name. */
  node(type, inputs, attributes = {}, domain = '') {
    const name = `y${this.#count++}`;
    const parts = [...inputs.map((input) => text(1, input)), text(2, name), text(4, type)];
    parts.push(...Object.entries(attributes).map(attribute));
    if (domain) parts.push(text(7, domain));
    this.#parts.push(message(1, ...parts));
    return name;
  }

  /** The bytes of the model whose result is `output`. */
  finish(output, dtype = 'f32') {
    const graph = [...this.#parts, text(2, 'case')];
    for (const { name, dtype: type, dims } of this.inputs) graph.push(valueInfo(11, name, type, dims));
    // The shape of the result is inferred.
    graph.push(message(12, text(1, output), message(2, message(1, whole(1, types[dtype])))));
    const opsets = [message(8, text(1, ''), whole(2, 17)), message(8, text(1, 'com.microsoft'), whole(2, 1))];
    return Buffer.concat([whole(1, 8), message(7, ...graph), ...opsets]);
  }
}
