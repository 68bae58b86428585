"""What the static libraries of core/ ask for at link time, and what state they keep.

Usage: core_symbols.py LIBRARY.a...   Exits 1 and names each symbol that is not on the list below: a
call of the operating system, a clock, a thread or a random source can only come in through one. Also
refuses writable data: a mutable static would be state outside of Node.
"""

import re
import subprocess
import sys

# Demangled names. Everything here is computation or memory; each line has its reason.
ALLOWED = [
    r"mem(cpy|move|set|cmp|chr)|strlen|bcmp",  # the compiler's own block operations
    r"operator (new|delete)(\[\])?\(.*\)|std::nothrow",
    r"_Unwind_Resume|__gxx_personality_v0|__cxa_\w+|__stack_chk_fail|__dso_handle",  # C++ runtime
    r"_GLOBAL_OFFSET_TABLE_",
    r"__libc_single_threaded|strcmp",  # shared_ptr: how to count, and whose deleter it is
    r"__popcountdi2",  # g++ without a processor's own instruction
    r"(vtable|typeinfo|typeinfo name|VTT) for (__cxxabiv1::\w+|std::\w+)",
    r"std::__throw_\w+\(.*\)|std::terminate\(\)|std::\w+::what\(\) const",  # ways to end, unused
    r"std::(\w+_error|\w*exception|bad_\w+)::.*",
    r"std::_Rb_tree_\w+\(.*\)|std::__detail::_List_node_base::.*|std::_Hash_bytes\(.*\)",
    r"std::(__cxx11::)?(basic_)?string(<.*>)?(::.*)?|std::__cxx11::basic_string<char.*",
    r"char (const)?\* std::__cxx11::basic_string.*|std::basic_string_view.*",
    r"std::__detail::__(to|from)_chars\w*.*",
    r"(\w.* )?fmt::v\d+::.*",
    r"crc32_iscsi|crc32_gzip_refl|isal_adler32|adler32_\w+|crc64_\w+",  # ISA-L
]

# The end of the process with a line on stderr: check.cc alone.
ALLOWED_IN = {"check.cc.o": r"abort|fprintf|fflush|fputs|fwrite|fputc|stderr|__fprintf_chk"}

# Beside these sections, symbols with an address in writable memory are state.
READ_ONLY_AFTER_START = (".data.rel.ro",)
WRITABLE = (".data", ".bss", ".tbss", ".tdata")


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def undefined_and_defined(archive):
    """Pairs (object, symbol) that are undefined, and the set of symbols defined in the archive."""
    undefined, defined, member = [], set(), ""
    for line in output_of("nm", archive).splitlines():
        if line.endswith(":"):
            member = line[:-1]
            continue
        match = re.match(r"^[0-9a-f ]{16} (\S) (\S+)$", line)
        if not match:
            continue
        kind, symbol = match.groups()
        if kind == "U" or kind in "wv":
            undefined.append((member, symbol))
        else:
            defined.add(symbol)
    return undefined, defined


def writable_symbols(archive):
    for line in output_of("objdump", "-t", archive).splitlines():
        match = re.match(r"^[0-9a-f]+ (.{7}) (\S+)\s+[0-9a-f]+ (?:\.hidden )?(\S+)$", line)
        if not match:
            continue
        flags, section, symbol = match.groups()
        if "d" in flags or section.startswith(READ_ONLY_AFTER_START) or symbol.startswith("DW.ref."):
            continue  # a section's own symbol; constants that hold addresses
        if section.startswith(WRITABLE) or section == "*COM*":
            yield symbol


def demangled(symbols):
    symbols = sorted(symbols)
    if not symbols:
        return {}
    names = subprocess.run(["c++filt"], input="\n".join(symbols), check=True, capture_output=True, text=True)
    return dict(zip(symbols, names.stdout.splitlines()))


def is_allowed(member, name):
    if any(re.fullmatch(pattern, name) for pattern in ALLOWED):
        return True
    return member in ALLOWED_IN and re.fullmatch(ALLOWED_IN[member], name) is not None


def prove_the_list():
    """The list lets through nothing of the world: else a clean run would say nothing."""
    for name in ["read", "write", "open64", "clock_gettime", "time", "pthread_create", "getrandom", "rand",
                 "std::chrono::_V2::steady_clock::now()", "std::random_device::_M_getval()", "socket",
                 "std::thread::_M_start_thread(...)", "getenv", "fopen", "std::ostream::flush()", "abort"]:
        if is_allowed("node.cc.o", name):
            sys.exit(f"the list of allowed symbols would let {name} through")


def main(archives):
    prove_the_list()
    undefined, defined = [], set()
    for archive in archives:
        missing, there = undefined_and_defined(archive)
        undefined += missing
        defined |= there
    if not defined:
        sys.exit("no symbols at all: nothing was looked at")
    undefined = [(member, symbol) for member, symbol in undefined if symbol not in defined]
    names = demangled({symbol for _, symbol in undefined})
    bad = [f"{member} asks for {names[symbol]}" for member, symbol in undefined
           if not is_allowed(member, names[symbol])]
    for archive in archives:
        state = demangled(set(writable_symbols(archive)))
        bad += [f"{archive} holds writable state: {name}" for name in state.values()]
    for line in sorted(set(bad)):
        print(line)
    print(f"{len(archives)} libraries, {len(defined)} symbols defined, {len(names)} asked for, {len(set(bad))} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
