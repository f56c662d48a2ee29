from storymem.openmp import set_openmp_defaults, usable_processors


def test_what_the_user_has_not_set_is_set() -> None:
    environ: dict[str, str] = {}
    set_openmp_defaults(environ)
    assert environ == {"GOMP_SPINCOUNT": "2000", "OMP_NUM_THREADS": str(usable_processors())}


def test_what_the_user_has_set_stays() -> None:
    for theirs in ({"OMP_WAIT_POLICY": "active"}, {"GOMP_SPINCOUNT": "infinite"}, {"KMP_BLOCKTIME": "0"}):
        environ = {**theirs, "OMP_NUM_THREADS": "7"}
        set_openmp_defaults(environ)
        assert environ == {**theirs, "OMP_NUM_THREADS": "7"}
