"""The same rules on every cgroup layout, each in a boot of its own; and the table of what the kernel then says."""

from switch import Switch

# As S40layout knows them.
LAYOUTS = ("v1", "comounted", "one", "hybrid", "v2")

# Of device rules: each with every access to 18 devices. This machine's own kernel is asked for 2,500.
LISTS = 200


def run(tap, boot, switch, only=()):
    """A boot for each layout: the cases of layouts.sh, then the table."""
    table = {}
    for number, layout in enumerate(LAYOUTS, 10):
        if only and layout not in only:
            continue
        board = boot(f"layout-{layout}", number, switch.port, f"boardbox.layout={layout}")
        board.ready()
        tap.board(board, "layouts", f"BOARDBOX_TEST_LISTS={LISTS} sh /test/layouts.sh {layout}")
        for line in board.run("cat /tmp/table")[1].splitlines():
            rule, _, value = line.partition("|")
            table.setdefault(rule, {})[layout] = value
        board.power_off()
    tap.note("| rule | " + " | ".join(LAYOUTS) + " |")
    tap.note("|---" * (len(LAYOUTS) + 1) + "|")
    for rule, row in table.items():
        tap.note(f"| {rule} | " + " | ".join(row.get(layout, "-") for layout in LAYOUTS) + " |")


def alone(tap, boot, only):
    """Without the other cases."""
    run(tap, boot, Switch(reflect=True), only)
