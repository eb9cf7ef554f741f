"""
What a look at eight busy H100 costs the door to NVML, and the simulated driver behind it apart. Prints figures.

    PYTHONPATH=.:tests python -P tests/benchmarks/nvml.py [--ticks 300] [--product NAME] [--mig]

A real driver takes time of its own, in place of the simulated one's.
"""

import argparse
import gc
import tempfile
import time
from pathlib import Path

from support.odd_drivers import CountingDriver
from support.scenarios import H100, TRAINING, Moment, a_node, a_pod, a_script, a_workload

from collector.nvml import Driver
from collector.readings import Absent
from collector.simulated.driver import installed

GPUS = 8
INSTANCES = "".join(f'[[nodes.instances]]\ngpu = {gpu}\nprofile = "1g.10gb"\n' for gpu in range(GPUS) for _ in range(7))


def look(driver: Driver) -> int:
    """Read every card and every instance, and take what the driver reported; how many."""
    cards = driver.devices()
    instances = (driver.instances(card) for card in cards)
    devices = [*cards, *(each for found in instances if not isinstance(found, Absent) for each in found)]
    for device in devices:
        driver.reading(device)
    driver.xid_errors()
    return len(devices)


def main() -> None:
    """Look once a second of the scenario, as fast as it goes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ticks", type=int, default=300)
    parser.add_argument("--product", default=H100)
    parser.add_argument("--mig", action="store_true", help="seven instances on each card")
    given = parser.parse_args()
    node = a_node(product=given.product, gpus=GPUS) + (INSTANCES if given.mig else "")
    with tempfile.TemporaryDirectory() as folder:
        script = a_script(Path(folder), node, a_workload(a_pod(gpus=range(GPUS), signal=TRAINING)))
    moment = Moment(60)
    behind = CountingDriver(script, moment)
    with installed(behind), Driver.open(moment.elapsed_ns) as driver:
        first, devices = dict(behind.made), look(driver)
        first = sum(behind.made.values()) - sum(first.values())
        moment.seconds += 1
        look(driver)
        behind.made.clear()
        behind.inside_seconds = 0.0
        gc.collect()
        began = time.thread_time()
        for _ in range(given.ticks):
            moment.seconds += 1
            look(driver)
        whole = time.thread_time() - began
        calls = sum(behind.made.values())
    ms, inside = 1000 / given.ticks, behind.inside_seconds
    print(f"{devices} devices, calls in the first look {first}, then {calls / given.ticks:.0f} a look")
    print(f"the door {(whole - inside) * ms:.2f} ms a look, the simulated driver {inside * ms:.2f} ms")


if __name__ == "__main__":
    main()
