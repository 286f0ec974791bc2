#include "binding/command.h"

namespace tilegrad::binding {

namespace {

int choice_count(const char* choices) {
  int n = 1;
  for (; *choices; ++choices) n += *choices == '|';
  return n;
}

}  // namespace

void Command::attributes(const OpDef& op, Attrs* out) {
  Attrs& attrs = *out;
  attrs.op = &op;
  int used = 0;
  for (int i = 0; i < kMaxAttrs && op.attrs[i].name; ++i) {
    const AttrDef& def = op.attrs[i];
    double& scalar = attrs.scalars[i];
    switch (def.type) {
      case AttrType::integer:
        scalar = static_cast<double>(whole(op.name, def.name));
        break;
      case AttrType::number:
        scalar = next();
        break;
      case AttrType::boolean:
        scalar = static_cast<double>(index(def.name, 2));
        break;
      case AttrType::choice:
        scalar =
            static_cast<double>(index(def.name, static_cast<size_t>(choice_count(def.choices))));
        break;
      case AttrType::dtype:
        scalar = static_cast<double>(index(def.name, kDTypeCount));
        break;
      case AttrType::integers: {
        size_t n = index(def.name, 1 << 20);
        if (n > static_cast<size_t>(kMaxListValues - used))
          fail(ErrorCode::argument, op.name, ": ", def.name, " has too many entries (", n, ")");
        attrs.list_start[i] = static_cast<uint8_t>(used);
        scalar = static_cast<double>(n);
        for (size_t k = 0; k < n; ++k) attrs.list[used++] = whole(op.name, def.name);
        break;
      }
      case AttrType::none:
        break;
    }
  }
}

}  // namespace tilegrad::binding
