#include "cuda/ptx/module.hpp"

#include <cctype>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include "cuda/emulator/location.hpp"
#include "cuda/ptx/statements.hpp"

namespace ptx {
namespace {

Type type_of(const std::string& name) {
  static const std::map<std::string, Type> types{
      {"pred", Type::pred}, {"b8", Type::b8},      {"b16", Type::b16}, {"b32", Type::b32},
      {"b64", Type::b64},   {"u8", Type::u8},      {"u16", Type::u16}, {"u32", Type::u32},
      {"u64", Type::u64},   {"s8", Type::s8},      {"s16", Type::s16}, {"s32", Type::s32},
      {"s64", Type::s64},   {"f16", Type::f16},    {"f32", Type::f32}, {"f64", Type::f64},
      {"bf16", Type::bf16}, {"f16x2", Type::f16x2}};
  const auto found = types.find(name);
  return found == types.end() ? Type::none : found->second;
}

std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

/// ".align 16 .b8 name[1024]"
struct Declaration {
  std::string name;
  std::size_t bytes = 0, alignment = 1;
};

Declaration declaration(const std::string& text) {
  Declaration declared;
  Type type = Type::none;
  std::size_t count = 1;
  const auto words = split(text, " ");
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == ".align") {
      // After .ptr, it belongs to the parameter's target.
      const bool of_pointee = i > 0 && (words[i - 1] == ".ptr" || words[i - 1] == ".global");
      ++i;
      if (!of_pointee) declared.alignment = std::stoul(words[i]);
    } else if (words[i][0] == '.') {
      if (const Type named = type_of(words[i].substr(1)); named != Type::none) type = named;
    } else {
      const auto bracket = words[i].find('[');
      declared.name = words[i].substr(0, bracket);
      if (bracket != std::string::npos) count = std::stoul(words[i].substr(bracket + 1));
    }
  }
  declared.bytes = count * bytes_of(type);
  declared.alignment = std::max(declared.alignment, bytes_of(type));
  return declared;
}

class EntryReader {
 public:
  EntryReader(const std::map<std::string, Declaration>& shared_of_module, const std::string& head)
      : shared_of_module_(shared_of_module) {
    const auto open = head.find('(');
    const auto before = split(head.substr(0, open), " ");
    entry_.name = before.back();
    if (open == std::string::npos) return;
    for (const auto& each : split(head.substr(open + 1, head.find(')') - open - 1), ",")) {
      const Declaration parameter = declaration(each);
      const auto offset = round_up(entry_.parameter_bytes, parameter.alignment);
      entry_.parameters.push_back({parameter.name, parameter.bytes, offset});
      entry_.parameter_bytes = offset + parameter.bytes;
    }
  }

  void add(const Statement& statement) {
    if (statement.end == Statement::End::label) {
      labels_[statement.text] = static_cast<int>(entry_.code.size());
    } else if (statement.text.rfind(".reg", 0) == 0) {
      add_registers(statement.text);
    } else if (statement.text.rfind(".shared", 0) == 0 || statement.text.rfind(".local", 0) == 0) {
      const Declaration array = declaration(statement.text);
      (statement.text[1] == 's' ? entry_.shared : entry_.local)
          .add(array.name, array.bytes, array.alignment);
    } else if (!statement.text.empty() && statement.text[0] != '.') {
      add_instruction(statement);
    }
  }

  Entry finish() {
    for (Instruction& each : entry_.code) {
      if (each.label.empty()) continue;
      if (labels_.count(each.label) == 0) fail_at(each.line, "no label " + each.label);
      each.target = labels_[each.label];
    }
    return std::move(entry_);
  }

 private:
  /// ".reg .b32 %r<12>" or a list of names
  void add_registers(const std::string& text) {
    const auto words = split(text, " ,");
    for (std::size_t i = 2; i < words.size(); ++i) {
      const auto bracket = words[i].find('<');
      const std::string stem = words[i].substr(0, bracket);
      const int count = bracket == std::string::npos ? 1 : std::stoi(words[i].substr(bracket + 1));
      for (int k = 0; k < count; ++k) {
        const std::string name = bracket == std::string::npos ? stem : stem + std::to_string(k);
        entry_.registers.emplace(name, static_cast<int>(entry_.registers.size()));
      }
    }
  }

  void add_instruction(const Statement& statement) {
    Instruction made;
    made.line = statement.line;
    made.text = statement.text;
    std::string rest = statement.text;
    if (rest[0] == '@') {
      const auto space = rest.find(' ');
      made.guard_negated = rest[1] == '!';
      made.guard = reg(
          rest.substr(made.guard_negated ? 2 : 1, space - (made.guard_negated ? 2 : 1)), made.line);
      rest = trim(rest.substr(space));
    }
    const auto space = std::min(rest.find(' '), rest.size());
    add_modifiers(made, rest.substr(0, space));
    rest = trim(rest.substr(space));
    if (made.name == "bra") {
      made.label = rest;
    } else {
      for (const auto& each : split_operands(rest))
        made.operands.push_back(operand(each, made.line));
    }
    entry_.code.push_back(std::move(made));
  }

  static void add_modifiers(Instruction& made, const std::string& mnemonic) {
    made.modifiers = split(mnemonic, ".");
    made.name = made.modifiers[0];
    made.modifiers.erase(made.modifiers.begin());
    for (const auto& each : made.modifiers) {
      if (const Type type = type_of(each); type != Type::none) {
        made.first = made.type;
        made.type = type;
      }
      if (each == "global") made.space = Space::global;
      if (each == "shared" || each == "shared::cta") made.space = Space::shared;
      if (each == "param") made.space = Space::param;
      if (each == "local") made.space = Space::local;
      if (each == "v2" || each == "v4" || each == "v8")
        made.vector = static_cast<unsigned>(each[1] - '0');
    }
  }

  int reg(const std::string& name, int line) const {
    const auto found = entry_.registers.find(name);
    if (found == entry_.registers.end()) fail_at(line, "no register " + name);
    return found->second;
  }

  Operand operand(std::string text, int line) {
    Operand made;
    if (text[0] == '!') {
      made = operand(trim(text.substr(1)), line);
      made.negated = true;
    } else if (text[0] == '{') {
      made.kind = Operand::Kind::vector;
      for (const auto& part : split(text.substr(1, text.size() - 2), ","))
        made.parts.push_back(operand(part, line));
    } else if (text[0] == '[') {
      made = address(trim(text.substr(1, text.size() - 2)), line);
    } else if (const auto bar = text.find('|'); bar != std::string::npos) {
      made = operand(trim(text.substr(0, bar)), line);
      made.predicate = reg(trim(text.substr(bar + 1)), line);
    } else if (text == "_") {
      made.kind = Operand::Kind::none;
    } else if (text[0] == '%' || entry_.registers.count(text) != 0) {
      made = register_operand(text, line);
    } else {
      made.kind = Operand::Kind::immediate;
      made.value = immediate(text, line);
    }
    return made;
  }

  Operand register_operand(const std::string& name, int line) const {
    static const std::map<std::string, Special> special{
        {"%tid.x", Special::tid_x},       {"%tid.y", Special::tid_y},
        {"%tid.z", Special::tid_z},       {"%ntid.x", Special::ntid_x},
        {"%ntid.y", Special::ntid_y},     {"%ntid.z", Special::ntid_z},
        {"%ctaid.x", Special::ctaid_x},   {"%ctaid.y", Special::ctaid_y},
        {"%ctaid.z", Special::ctaid_z},   {"%nctaid.x", Special::nctaid_x},
        {"%nctaid.y", Special::nctaid_y}, {"%nctaid.z", Special::nctaid_z},
        {"%laneid", Special::laneid},     {"%warpid", Special::warpid}};
    Operand made;
    if (const auto found = special.find(name); found != special.end()) {
      made.kind = Operand::Kind::special;
      made.reg = static_cast<int>(found->second);
    } else {
      made.kind = Operand::Kind::reg;
      made.reg = reg(name, line);
    }
    return made;
  }

  /// Parses "base+16", where base is a register, parameter or array.
  Operand address(const std::string& text, int line) {
    Operand made;
    made.kind = Operand::Kind::address;
    const auto plus = text.find('+');
    const std::string base = trim(text.substr(0, plus));
    if (plus != std::string::npos) made.offset = std::stoll(trim(text.substr(plus + 1)));
    if (base[0] == '%')
      made.reg = reg(base, line);
    else if (std::isdigit(static_cast<unsigned char>(base[0])))
      made.offset += std::stoll(base);
    else
      made.offset += static_cast<std::int64_t>(symbol(base, line));
    return made;
  }

  Bits immediate(const std::string& text, int line) {
    if (text == "WARP_SZ") return 32;
    const std::string prefix = text.substr(0, 2);
    if (prefix == "0f" || prefix == "0F" || prefix == "0d" || prefix == "0D")
      return std::stoull(text.substr(2), nullptr, 16);
    if (text[0] == '-') return static_cast<Bits>(std::stoll(text, nullptr, 0));
    if (std::isdigit(static_cast<unsigned char>(text[0]))) return std::stoull(text, nullptr, 0);
    return symbol(text, line);
  }

  /// Returns the offset of a parameter or array. A module's array is copied into the kernel using
  /// it.
  std::size_t symbol(const std::string& name, int line) {
    for (const Parameter& each : entry_.parameters)
      if (each.name == name) return each.offset;
    const auto of_module = shared_of_module_.find(name);
    if (of_module != shared_of_module_.end() && entry_.shared.arrays.count(name) == 0)
      entry_.shared.add(name, of_module->second.bytes, of_module->second.alignment);
    for (const Arrays* space : {&entry_.shared, &entry_.local})
      if (const auto found = space->arrays.find(name); found != space->arrays.end())
        return found->second.offset;
    fail_at(line, "no symbol " + name);
  }

  const std::map<std::string, Declaration>& shared_of_module_;
  Entry entry_;
  std::unordered_map<std::string, int> labels_;
};

}  // namespace

std::size_t bytes_of(Type type) {
  switch (type) {
    case Type::pred:
    case Type::b8:
    case Type::u8:
    case Type::s8:
      return 1;
    case Type::b16:
    case Type::u16:
    case Type::s16:
    case Type::f16:
    case Type::bf16:
      return 2;
    case Type::b64:
    case Type::u64:
    case Type::s64:
    case Type::f64:
      return 8;
    default:
      return 4;
  }
}

void Arrays::add(const std::string& name, std::size_t size, std::size_t alignment) {
  constexpr std::size_t gap = 64;
  const std::size_t offset = round_up(bytes + (bytes > 0 ? gap : 0), std::max(alignment, gap));
  arrays[name] = {offset, size};
  bytes = offset + size;
}

bool Arrays::hold(std::size_t offset, std::size_t count) const {
  return std::any_of(arrays.begin(), arrays.end(), [&](const auto& each) {
    const Array& array = each.second;
    return offset >= array.offset && offset - array.offset <= array.bytes &&
           count <= array.bytes - (offset - array.offset);
  });
}

Module read_module(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw emulator::Error("cannot read " + path);
  const std::string source{std::istreambuf_iterator<char>(file), {}};
  Module module;
  std::map<std::string, Declaration> shared;
  std::unique_ptr<EntryReader> entry;
  int depth = 0;
  for (const Statement& each : statements(source)) {
    const bool is_entry = each.text.find(".entry") != std::string::npos;
    if (each.end == Statement::End::open) {
      if (depth++ > 0) continue;
      if (!is_entry)
        fail_at(each.line, "only kernels are supported, but found '" + each.text + "'");
      entry = std::make_unique<EntryReader>(shared, each.text);
    } else if (each.end == Statement::End::close) {
      if (--depth > 0) continue;
      Entry done = entry->finish();
      module.emplace(done.name, done);
      entry = nullptr;
    } else if (entry) {
      entry->add(each);
    } else if (each.text.find(".shared") != std::string::npos) {
      const Declaration array = declaration(each.text);
      shared[array.name] = array;
    } else {
      fail_at(each.line, "not supported outside a kernel: '" + each.text + "'");
    }
  }
  return module;
}

}  // namespace ptx
