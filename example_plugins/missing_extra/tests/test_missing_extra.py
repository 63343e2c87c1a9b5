"""A job that cannot be imported fails its own runs, with the cause, and no others."""


def test_only_the_job_that_lacks_its_package_fails(jobreg) -> None:
    jobreg.plugin({"other.job": lambda: "well"})

    broken = jobreg.submit("extra.chart", {"values": [1, 2]})
    other = jobreg.submit("other.job")

    assert (broken.state, broken.error.type) == ("failed", "JobLoadError")
    assert "acme_plotting_that_is_not_installed" in broken.error.traceback
    assert other.result() == "well"
