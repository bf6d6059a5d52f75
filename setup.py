"""The native kernel; all else is in pyproject.toml.

Without a compiler the package installs all the same, and resizes with Pillow.
"""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "clip_prep_cli.pixels._resize",
            ["clip_prep_cli/pixels/_resize.c"],
            depends=["clip_prep_cli/pixels/_resize_passes.h"],
            # No contraction: a fused multiply-add would round the weights another way.
            extra_compile_args=["-O3", "-ffp-contract=off", "-fno-strict-aliasing"],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
