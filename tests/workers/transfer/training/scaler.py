"""What linear models read, as a transformer of scikit-learn: written down once more, to compare with."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin


class FlooredScaler(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # it has no types
    """Centred features, each over its deviation, but at least the root mean square of those that vary."""

    def fit(self, x: Any, y: Any = None) -> Self:
        self.mean_, deviations = np.mean(x, axis=0), np.std(x, axis=0)
        varying = deviations[deviations > 1e-6]
        self.scale_ = np.maximum(deviations, np.sqrt(np.mean(np.square(varying))))
        return self

    def transform(self, x: Any) -> Any:
        return (x - self.mean_) / self.scale_
