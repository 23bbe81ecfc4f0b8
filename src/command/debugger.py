# The commands `sockmalloc slot`, `leaks`, `ledger` and `messages` of gdb, for live processes and core files.
# SPDX-License-Identifier: BSD-2-Clause
"""gdb loads this file with the library, if the file is installed as libsockmalloc.so.1.0.0-gdb.py and gdb's auto-load
safe-path allows that; sockmalloc(7) says how. The file reads memory and changes nothing.

The library exports the variable `sockmalloc_view` (src/statistics/inspect_export.h). This file knows only the layout of
its first bytes, and needs no debugging information. All other sizes and offsets have names in the variable, and the
library exports their values, so that this file and the library cannot contradict each other.
"""

import re
import struct
import time

import gdb

VIEW_VERSION = 2
# The beginning of struct inspect_export: the fields magic, version, library, born and self. Lists of names follow
# these fields.
HEAD = struct.Struct("@16sI24sIP")
MAGIC = b"sockmalloc view\0"
UNKNOWN = 0


class Memory:
    """Reads the memory of the program, which lives or has left a core file."""

    def read(self, start, size):
        try:
            return bytes(gdb.selected_inferior().read_memory(start, size)) if size > 0 else b""
        except gdb.MemoryError:
            raise gdb.GdbError(f"{size} bytes at {start:#x} cannot be read; a core file may lack them") from None

    def number(self, at, size=8):
        return int.from_bytes(self.read(at, size), "little")

    def text(self, at, size):
        return self.read(at, size).partition(b"\0")[0].decode("ascii", "replace")


class View(Memory):
    """The addresses and numbers that the library exports in sockmalloc_view, by name: object["REGIONS"] is the address
    of an object of the library, and place["cache_size"] is a size, an offset or a constant."""

    def __init__(self):
        address = self.find()
        magic, version, library, born, own = HEAD.unpack(self.read(address, HEAD.size))
        if magic != MAGIC or version != VIEW_VERSION:
            raise gdb.GdbError(f"the program has sockmalloc's tables in version {version}, and these commands read "
                               f"version {VIEW_VERSION}")
        if born == 0 or own != address:
            raise gdb.GdbError("sockmalloc has not started yet in this program")
        self.library = library.partition(b"\0")[0].decode("ascii", "replace")
        names = b""
        while b"\0" not in names:
            names += self.read(address + HEAD.size + len(names), 256)
        names_size = names.index(b"\0")
        lists = names[:names_size].decode("ascii").split(".")
        objects, places = lists[2].split(), lists[3].split()
        at = -(-(HEAD.size + names_size + 1) // 4) * 4
        values = struct.unpack(f"@{len(places)}I", self.read(address + at, 4 * len(places)))
        self.place = dict(zip(places, values))
        at = -(-(at + 4 * len(places)) // 8) * 8
        spans = struct.unpack(f"@{2 * len(objects)}Q", self.read(address + at, 16 * len(objects)))
        self.object = dict(zip(objects, spans[::2]))

    def find(self):
        try:
            return int(gdb.parse_and_eval("(unsigned long)&sockmalloc_view"))
        except gdb.error:
            raise gdb.GdbError("this program has not loaded sockmalloc") from None


class Slot:
    """A slot: its number, the address of its first byte, and what the metadata says of it."""

    def __init__(self, pools, number):
        place = pools.view.place
        self.number = number
        self.start = pools.start + (number << place["page_shift"])
        byte = pools.states[number]
        self.bucket = byte & place["slot_bucket_mask"]
        self.state = byte & place["slot_state_mask"]
        self.stride = pools.stride[self.bucket]
        self.label = pools.labels[self.bucket]
        word = int.from_bytes(pools.requests[4 * number:4 * number + 4], "little")
        self.request = word & place["slot_request_mask"]
        self.is_live = self.state == place["slot_live"]
        self.is_packed = self.is_live and word & place["slot_packed"] != 0


class Bin:
    """The free slots of one bucket in the cache of a thread or of a processor. malloc and free use the private
    magazine. The public magazine refills the private one, and other threads may take it out of a thread's cache. Fresh
    slots were carved for the cache and have not been allocated yet."""

    def __init__(self, view, cache, bucket):
        place = view.place
        bin_at = cache + place["cache_bin"] + bucket * place["bin_size"]
        tally = cache + bucket * place["tally_size"]
        top = view.number(bin_at + place["bin_top"])
        public = view.number(bin_at + place["bin_public"])
        first = top - top % place["magazine_size"] + place["magazine_slot"]
        self.private = pointers(view, first, (top - first) // 8) if top != 0 else []
        self.public = magazine(view, public) if public != 0 else []
        self.fresh = view.number(tally + place["tally_fresh"], 4)
        self.fresh_left = view.number(tally + place["tally_fresh_left"], 4)


def pointers(view, start, count):
    """Returns the pointers of an array, or none if the count is impossible: negative, or 64 or more."""
    return struct.unpack(f"@{count}Q", view.read(start, 8 * count)) if 0 <= count < 64 else []


def magazine(view, at):
    """Returns the slots of a magazine in the depot, or of the public magazine of a cache. The count that such a
    magazine stores is up to date; the count of a cache's private magazine is not."""
    return pointers(view, at + view.place["magazine_slot"], view.number(at, 4))


class Pools:
    """The pools of the program."""

    def __init__(self, view):
        self.view = view
        place = view.place
        region, growth, plan = view.object["REGIONS"], view.object["RANGE"], view.object["PLAN"]
        self.buckets = view.number(region + place["region_buckets"], 4)
        if self.buckets == 0 or self.buckets > place["bucket_limit"]:
            raise gdb.GdbError("the pools of this program are off")
        self.start = view.number(region + place["region_start"])
        self.link_shift = view.number(region + place["region_link_shift"], 4)
        self.ready = view.number(growth + place["growth_slots"] + place["table_ready"])
        self.front = view.number(growth + place["growth_front"], 4)
        self.states = view.read(view.number(region + place["region_states"]), self.front)
        self.requests = view.read(view.number(region + place["region_requests"]), 4 * self.front)
        links = view.number(region + place["region_links"])
        self.links = view.read(links, 4 * ((self.front >> self.link_shift) + 1))
        links = view.object["MAGAZINE_LINKS"]
        self.magazine_links = view.read(view.number(links + place["table_start"]),
                                        view.number(links + place["table_ready"]))
        geometry = region + place["region_geometry"] + place["geometry_stride"]
        self.stride = [view.number(geometry + bucket * place["geometry_size"]) for bucket in range(self.buckets)]
        labels = plan + place["plan_label"]
        self.labels = [view.text(labels + bucket * place["label_size"], place["label_size"])
                       for bucket in range(self.buckets)]
        self.carved = [view.number(growth + place["growth_carved"] + 4 * bucket, 4) for bucket in range(self.buckets)]
        records = view.object["IN_USE"]
        self.records = view.number(records + place["table_start"])
        self.records_end = view.number(records + place["table_ready"])
        self.keeps_callers = self.records != 0

    def numbers(self, state):
        """Returns the numbers of all slots that are in the state `state`, in rising order."""
        place = self.view.place
        wanted = bytes(state | place["slot_begins"] | extra | bucket for bucket in range(self.buckets)
                       for extra in (0, 0xff & ~(place["slot_state_mask"] | place["slot_begins"] |
                                                 place["slot_bucket_mask"])))
        return [found.start() for found in re.finditer(b"[" + re.escape(wanted) + b"]", self.states)]

    def find(self, address):
        """Returns the slot that an address lies in, or None."""
        page = (address - self.start) >> self.view.place["page_shift"]
        last = page - (max(self.stride) >> self.view.place["page_shift"])
        while 0 < page < self.front and page > last and not self.states[page] & self.view.place["slot_begins"]:
            page -= 1
        if not 0 < page < self.front or page == last:
            return None
        slot = Slot(self, page)
        return slot if address < slot.start + slot.stride else None

    def caches(self):
        """Returns the name and the address of the cache of each thread and of each processor."""
        view, place = self.view, self.view.place
        threads = view.number(view.object["CACHES"] + place["table_start"])
        count = view.number(view.object["OPENED"], 4)
        records = view.number(view.object["PROCESSORS"] + place["processors_records"])
        processors = view.number(view.object["PROCESSORS"] + place["processors_count"])
        owners = owners_of_caches()
        named = [(f"thread cache {number}", threads + number * place["cache_size"]) for number in range(count)]
        named = [(name + owners.get(at, ""), at) for name, at in named]
        return named + [(f"the cache of processor {number}", records + number * place["cache_size"])
                        for number in range(processors)]

    def stacked(self, stack, links, shift):
        """Yields the numbers of the slots or magazines on a stack, from its top. `links` has for each item the number
        of the item below it. Stops after as many numbers as there are links, because the links may form a circle while
        a thread changes the stack."""
        number = self.view.number(stack) & self.view.place["stack_numbers"]
        for _ in range(len(links) // 4):
            at = 4 * ((number - 1) >> shift)
            if number == 0 or at + 4 > len(links):
                return
            yield number - 1
            number = int.from_bytes(links[at:at + 4], "little")

    def magazine_at(self, number):
        place = self.view.place
        a_page = (place["magazine_page_end"] - place["magazine_page_first"]) // place["magazine_size"]
        start = self.view.number(self.view.object["MAGAZINES"] + place["table_start"])
        return (start + number // a_page * place["magazine_page"] + place["magazine_page_first"] +
                number % a_page * place["magazine_size"])

    def deposited(self, bucket):
        """Yields the magazines of a bucket's depot that hold slots."""
        view, place = self.view, self.view.place
        depot = view.object["DEPOTS"] + bucket * place["depot_size"] + place["depot_full"]
        for generation in range(place["generations"]):
            for number in self.stacked(depot + generation * place["stack_size"], self.magazine_links, 0):
                yield magazine(view, self.magazine_at(number))

    def where(self, slot):
        """Returns words that say which cache, depot or stack holds a free slot."""
        for name, cache in self.caches():
            content = Bin(self.view, cache, slot.bucket)
            if slot.start in content.private:
                return f"{name}, private magazine"
            if slot.start in content.public:
                return f"{name}, public magazine"
            pages = slot.stride >> self.view.place["page_shift"]
            if content.fresh <= slot.number < content.fresh + content.fresh_left * pages:
                return f"{name}, new slots that were carved for it"
        if any(slot.start in content for content in self.deposited(slot.bucket)):
            return "the depot"
        for name, number in self.on_stacks(slot.bucket):
            if number == slot.number:
                return f"the stack of {name} slots"
        return "none of the lists: a thread is allocating or freeing it"

    def on_stacks(self, bucket):
        """Yields the numbers of the slots on the stacks of a bucket, each with the name of its stack."""
        place = self.view.place
        slots, a_generation = self.view.object["SLOTS"], place["bucket_limit"] * place["stack_size"]
        rows = [("free", slots + place["slots_free"] + generation * a_generation)
                for generation in range(place["generations"])]
        for name, row in [*rows, ("purged", slots + place["slots_purged"])]:
            for number in self.stacked(row + bucket * place["stack_size"], self.links, self.link_shift):
                yield name, number

    def note(self, number):
        """Returns the time at which a slot was allocated, in nanoseconds, and the address of the caller. Either is
        UNKNOWN if the library has not noted it."""
        place = self.view.place
        at = place["in_use_first"] + number * place["in_use_size"]
        if not self.keeps_callers or at + place["in_use_size"] > self.records_end:
            return UNKNOWN, UNKNOWN
        record = self.view.read(self.records + at, place["in_use_size"])
        return tuple(int.from_bytes(record[place[name]:place[name] + 8], "little")
                     for name in ("in_use_taken_at", "in_use_caller"))

    def now(self):
        """Returns the present time of CLOCK_MONOTONIC, by which the library notes the time of each allocation. For a
        core file, which does not say when it was written, and for a process of another machine, which has another
        clock, it returns the latest time that the library has noted. A slot's age is then at least the age shown."""
        if is_live_here():
            return time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        ticks = [self.view.number(cache + self.view.place["cache_ticked"]) for _, cache in self.caches()]
        notes = [self.note(number)[0] for number in self.numbers(self.view.place["slot_live"])]
        return max([*ticks, *notes, UNKNOWN])


def is_live_here():
    """Returns true if the program is a live process of this machine, and no core file. In gdb before version 11 the
    answer is always false, because such a gdb does not tell."""
    return getattr(getattr(gdb.selected_inferior(), "connection", None), "type", "") == "native"


def owners_of_caches():
    """Returns a dictionary that has, for the address of each thread's cache, words that name the thread. The dictionary
    is empty if there is no debugging information by which to find the caches."""
    owners = {}
    selected = gdb.selected_thread()
    try:
        for thread in gdb.selected_inferior().threads():
            thread.switch()
            cache = int(gdb.parse_and_eval("(unsigned long)cache_mine"))
            owners[cache] = f" (thread {thread.num}, LWP {thread.ptid[1]})"
    except gdb.error:
        pass
    if selected is not None:
        selected.switch()
    return owners


def name_of(address):
    """Returns the function, the offset, the file and the line of an address in words, as far as gdb knows them."""
    if address == UNKNOWN:
        return "an unknown caller"
    words = gdb.execute(f"info symbol {address:#x}", to_string=True).strip()
    known = not words.startswith("No symbol")
    # a return address may belong to the line after the call, but the byte before the return address belongs to the line
    # of the call
    line = gdb.find_pc_line(address - 1)
    source = f" at {line.symtab.filename}:{line.line}" if line.symtab is not None else ""
    return (words.partition(" in section ")[0] if known else f"{address:#x}") + source


def seconds(age):
    return f"{max(age, 0) / 1e9:.3f} s"


def age_of(taken_at, now):
    if taken_at == UNKNOWN:
        return "unknown"
    return ("" if is_live_here() else "at least ") + seconds(now - taken_at)


def one_argument(argument, word):
    if argument.strip() == "":
        raise gdb.GdbError(f"sockmalloc {word} needs an argument; `help sockmalloc {word}` says which")
    return argument


def no_argument(argument, word):
    if argument.strip() != "":
        raise gdb.GdbError(f"sockmalloc {word} takes no argument")


class Group(gdb.Command):
    """Look into the pools of sockmalloc: `sockmalloc slot ADDRESS`, `leaks`, `ledger` and `messages`."""

    def __init__(self):
        super().__init__("sockmalloc", gdb.COMMAND_DATA, gdb.COMPLETE_NONE, True)


class SlotCommand(gdb.Command):
    """Show the slot that an address lies in: sockmalloc slot ADDRESS

ADDRESS is any expression. Shows the bucket, the first byte, the state, the request, where a free slot lies, and with
SOCKMALLOC_IN_USE=1 the age and the caller of the allocation."""

    def __init__(self):
        super().__init__("sockmalloc slot", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        try:
            address = int(gdb.parse_and_eval(one_argument(argument, "slot"))) & (1 << 64) - 1
        except (gdb.error, TypeError):
            raise gdb.GdbError(f"{argument} is not an address") from None
        pools = Pools(View())
        if not 0 <= address - pools.start < pools.ready:
            raise gdb.GdbError(f"{address:#x} lies outside the pools: if malloc returned it, it is a block of mimalloc "
                               "or has a mapping of its own")
        slot = pools.find(address)
        if slot is None:
            raise gdb.GdbError(f"{address:#x} lies in the range of the pools, but in no slot")
        self.show(pools, slot, address - slot.start)

    def show(self, pools, slot, within):
        place = pools.view.place
        states = {place["slot_never_used"]: "never used", place["slot_live"]: "live", place["slot_free"]: "free",
                  place["slot_purged"]: "purged"}
        print(f"address  {slot.start + within:#x}: {f'{within} bytes into' if within else 'the start of'} a slot")
        print(f"slot     {slot.number} of bucket {slot.label}, {slot.start:#x} to {slot.start + slot.stride:#x}")
        print(f"state    {states[slot.state]}")
        if slot.state != place["slot_never_used"]:
            print(f"request  {slot.request} bytes{'' if slot.is_live else ', the last one'}")
        if slot.is_packed:
            print("packed   the slot is divided into smaller blocks")
        if not slot.is_live:
            print(f"lies in  {pools.where(slot)}")
        elif pools.keeps_callers:
            taken_at, caller = pools.note(slot.number)
            print(f"age      {age_of(taken_at, pools.now())}")
            print(f"caller   {name_of(caller)}")


class LeaksCommand(gdb.Command):
    """List the live slots: sockmalloc leaks

With SOCKMALLOC_IN_USE=1 each caller is named with its slots, the caller of the oldest slot first. Without it, the slots
of each bucket are counted."""

    def __init__(self):
        super().__init__("sockmalloc leaks", gdb.COMMAND_DATA, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        no_argument(argument, "leaks")
        pools = Pools(View())
        live = [Slot(pools, number) for number in pools.numbers(pools.view.place["slot_live"])]
        (self.by_caller if pools.keeps_callers else self.by_bucket)(pools, live)
        print(f"in use: slots {len(live)}, bytes {sum(slot.request for slot in live)}")

    def by_caller(self, pools, live):
        callers = {}
        now = pools.now()
        for slot in live:
            taken_at, caller = pools.note(slot.number)
            callers.setdefault(caller, []).append((taken_at or 1 << 64, slot.number, slot))
        for caller, rows in sorted(callers.items(), key=lambda item: min(item[1])[:2]):
            rows.sort(key=lambda row: row[:2])
            oldest = age_of(rows[0][0] if rows[0][0] < 1 << 64 else UNKNOWN, now)
            size = sum(row[2].request for row in rows)
            print(f"by {name_of(caller)}: slots {len(rows)}, bytes {size}, oldest {oldest}")
            for taken_at, _, slot in rows:
                age = age_of(taken_at if taken_at < 1 << 64 else UNKNOWN, now)
                print(f"  {slot.start:#x}  {slot.label:<6} {slot.request:>10} bytes {age:>15}")

    def by_bucket(self, pools, live):
        print("SOCKMALLOC_IN_USE is not set, so the callers are not known")
        print(f"{'bucket':<8}{'slots':>10}{'bytes':>16}  first slot")
        for bucket in range(pools.buckets):
            rows = [slot for slot in live if slot.bucket == bucket]
            if rows:
                print(f"{pools.labels[bucket]:<8}{len(rows):>10}{sum(slot.request for slot in rows):>16}  "
                      f"{rows[0].start:#x}")


class LedgerCommand(gdb.Command):
    """Count the slots of each bucket: sockmalloc ledger

live: in use. cached: free, in caches. depot: free, in the depot or on a stack. purged: free, without pages.
carved: all. The columns are those of `sockmalloc stat`."""

    def __init__(self):
        super().__init__("sockmalloc ledger", gdb.COMMAND_DATA, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        no_argument(argument, "ledger")
        pools = Pools(View())
        live = self.count_live(pools)
        caches = [cache for _, cache in pools.caches()]
        rows = [(live[bucket], *self.count_free(pools, bucket, caches), pools.carved[bucket])
                for bucket in range(pools.buckets)]
        print("".join([f"{'bucket':<8}", *[f"{name:>10}" for name in ("live", "cached", "depot", "purged", "carved")]]))
        for label, row in zip([*pools.labels, "total"], [*rows, [sum(column) for column in zip(*rows)]]):
            print("".join([f"{label:<8}", *[f"{figure:>10}" for figure in row]]))

    def count_live(self, pools):
        live = [0] * pools.buckets
        for number in pools.numbers(pools.view.place["slot_live"]):
            live[pools.states[number] & pools.view.place["slot_bucket_mask"]] += 1
        return live

    def count_free(self, pools, bucket, caches):
        """Returns three numbers of free slots of a bucket: those in caches, those in the depot or on the stacks of free
        slots, and those without pages, which were purged or never allocated."""
        bins = [Bin(pools.view, cache, bucket) for cache in caches]
        stacked = [name for name, _ in pools.on_stacks(bucket)]
        return (sum(len(content.private) + len(content.public) for content in bins),
                sum(len(content) for content in pools.deposited(bucket)) + stacked.count("free"),
                sum(content.fresh_left for content in bins) + stacked.count("purged"))


class MessagesCommand(gdb.Command):
    """Show the last messages of the library: sockmalloc messages

The last one says why the library has ended the program, if it has."""

    def __init__(self):
        super().__init__("sockmalloc messages", gdb.COMMAND_DATA, gdb.COMPLETE_NONE)

    def invoke(self, argument, from_tty):
        no_argument(argument, "messages")
        view = View()
        size, kept = view.place["kept_size"], view.object["MESSAGES"]
        end = view.number(kept, 4)
        ring = view.read(kept + view.place["kept_text"], size)
        text = (ring[end % size:] + ring[:end % size] if end > size else ring[:end]).decode("utf-8", "replace")
        # the oldest message is left out, because newer messages may have overwritten its beginning
        lines = text.splitlines()[1 if end > size else 0:]
        print("\n".join(repr(line)[1:-1] for line in lines) or "the library has written no message")


for command in (Group, SlotCommand, LeaksCommand, LedgerCommand, MessagesCommand):
    command()
