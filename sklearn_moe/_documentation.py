"""Links from estimators to their documentation, and their help in notebooks."""

from sklearn_moe._sklearn import AttributesWithHelp, ParametersWithHelp

# Base address of the documentation, ending in a slash; empty as long as there is none.
ADDRESS = ""


class Documented:
    """Estimators that link to their documentation, and show it in notebooks."""

    _doc_link_module = "sklearn_moe"

    @property
    def _doc_link_template(self):
        return ADDRESS and f"{ADDRESS}api/generated/{{module}}.{{name}}.html"

    def _doc_link_url_param_generator(self):
        """Return the public module and name of the class, for the name of its page."""
        kind = type(self)
        in_dask = kind.__module__.startswith("sklearn_moe.dask")
        return {
            "module": "sklearn_moe.dask" if in_dask else "sklearn_moe",
            "name": kind.__name__,
        }

    def _get_params_html(self, *args, **kwargs):
        return ParametersWithHelp.of(super()._get_params_html(*args, **kwargs))

    def _get_fitted_attr_html(self, *args, **kwargs):
        return AttributesWithHelp.of(super()._get_fitted_attr_html(*args, **kwargs))
