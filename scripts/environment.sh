# Makes the virtual environment that quickstart.sh and test.sh run in.
#
# To be sourced by a script that has `set -euo pipefail`. After
#
#     source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
#     take_venv "$@"; set -- "${arguments[@]+"${arguments[@]}"}"
#     make_environment quickstart
#
# the arguments are without `--venv FOLDER`, and $python is the Python of
# FOLDER (by default .venv in the checkout), in which this checkout is
# installed with the extra `quickstart`. Several are written `test,hub`. A
# second time it does nothing, unless setup.cfg has changed.
#
# PYTHON names the interpreter to make it with, by default python3.11.
# With LOCKED=1, distributions of `test` are first installed from
# requirements.lock, each file compared with its digest.

checkout="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="$checkout/.venv"
arguments=()

# Takes `--venv FOLDER` or `--venv=FOLDER` out of its arguments.
take_venv() {
    while (($#)); do
        case "$1" in
            --venv)
                if (($# < 2)); then
                    echo "--venv needs a folder after it." >&2
                    exit 2
                fi
                venv="$2"
                shift
                ;;
            --venv=*) venv="${1#--venv=}" ;;
            *) arguments+=("$1") ;;
        esac
        shift
    done
    if [[ -e "$venv" && ! -f "$venv/pyvenv.cfg" ]]; then
        if [[ ! -d "$venv" || -n "$(ls -A "$venv")" ]]; then
            echo "$venv is there and is no virtual environment." >&2
            exit 2
        fi
    fi
}

# Makes $venv and installs the checkout with the extras named in $1.
make_environment() {
    local extras="$1" stamp wanted interpreter="${PYTHON:-python3.11}"
    python="$venv/bin/python"
    stamp="$venv/.keras_longformer-${extras//,/-}"
    # What would have to be installed again if it changed.
    wanted="$checkout $(cat "$checkout/setup.cfg" "$checkout/pyproject.toml" |
        sha256sum | cut -d ' ' -f 1)"
    if [[ "${LOCKED:-}" == 1 ]]; then
        wanted+=" $(sha256sum < "$checkout/requirements.lock")"
    fi
    if [[ -x "$python" && -f "$stamp" && "$(cat "$stamp")" == "$wanted" ]]
    then
        echo "Environment: $venv, as it is."
        return
    fi
    if [[ ! -x "$python" ]]; then
        if ! command -v "$interpreter" > /dev/null; then
            echo "There is no $interpreter. Install Python 3.11, or name it:" \
                "PYTHON=/path/to/python3.11 bash $0" >&2
            exit 1
        fi
        echo "Environment: making $venv with $interpreter."
        "$interpreter" -m venv "$venv"
    fi
    echo "Environment: installing keras_longformer[$extras] and what it needs" \
        "into $venv. The first time takes some minutes."
    if [[ "${LOCKED:-}" == 1 ]]; then
        install_locked
    fi
    "$python" -m pip install --quiet --disable-pip-version-check \
        -e "$checkout[$extras]"
    echo "$wanted" > "$stamp"
}

# Installs what requirements.lock has; the rest, PyTorch, is left to what follows.
install_locked() {
    local here
    here="$("$python" -c 'import platform, sys
print(*sys.version_info[:2], sys.platform, platform.machine())')"
    if [[ "$here" != "3 11 linux x86_64" ]]; then
        echo "requirements.lock is of Python 3.11 on Linux, x86-64. Here is" \
            "$here: leave LOCKED away." >&2
        exit 1
    fi
    "$python" -m pip install --quiet --disable-pip-version-check \
        --require-hashes --no-deps -r "$checkout/requirements.lock"
}

# Makes $beam_python: the environment of before, and over it Apache Beam with the
# older protobuf that it wants.
make_beam_environment() {
    local folder="$venv/beam" below
    beam_python="$folder/bin/python"
    if [[ -f "$folder/made" ]]; then
        return
    fi
    echo "Environment: installing Apache Beam into $folder."
    rm -rf "$folder"
    "$python" -m venv "$folder"
    "$beam_python" -m pip install --quiet --disable-pip-version-check \
        "apache-beam >=2.70, <3" "sentencepiece >=0.2, <0.2.2"
    below="$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
    # Behind what is installed here.
    echo "$below" > "$("$beam_python" -c \
        'import sysconfig; print(sysconfig.get_path("purelib"))')/below.pth"
    touch "$folder/made"
}
