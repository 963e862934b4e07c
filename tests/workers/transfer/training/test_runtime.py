import numpy as np

from workers.transfer.methods.scratch import scratch
from workers.transfer.networks.network import weights_digest
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Training

PROGRAM = """
import numpy as np
from workers.transfer.training.runtime import prepare_process
prepare_process()
from workers.transfer.data import Column, Data, Rows, Signature
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Training
from workers.transfer.networks.network import weights_digest
from workers.transfer.methods.scratch import scratch

x, y = np.load({x!r}), np.load({y!r})
columns = tuple(Column(f"x{{number}}", "number") for number in range(4))
rows = Rows({{column.name: x[:, number] for number, column in enumerate(columns)}}, y, np.arange(len(y)))
data = Data(Signature(columns, "y", "binary", ("no", "yes")), rows, None, None)
print(weights_digest(scratch({options!r}, data, Fit(Training(3, 16, 0.01, seed=3))).network))
"""


def test_another_process_ends_with_equal_bits(options, numbers, tmp_path, plain):
    data = numbers()
    np.save(tmp_path / "x.npy", np.stack([data.train.inputs[f"x{number}"] for number in range(4)], axis=1))
    np.save(tmp_path / "y.npy", data.train.targets)
    files = {name: str(tmp_path / f"{name}.npy") for name in "xy"}
    done = plain.run("-c", PROGRAM.format(**files, options=options), cwd=tmp_path)
    here = scratch(options, data, Fit(Training(3, 16, 0.01, seed=3))).network
    assert done.stdout.strip() == weights_digest(here)
