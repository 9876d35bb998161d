# Installs python-libzim, the judge of archives and searches, in exactly this version; sets libzim_python.
# To be sourced; needs python3 with venv.
libzim_version=3.13.1
libzim_folder=${PORTCULLIS_CACHE:-$HOME/.cache/portcullis}/libzim
libzim_python=$libzim_folder/bin/python
if [ "$(cat "$libzim_folder/.judges" 2>/dev/null)" != "libzim==$libzim_version" ]; then
  echo "installing the judge libzim $libzim_version"
  rm -rf "${libzim_folder:?}"
  python3 -m venv "$libzim_folder"
  "$libzim_python" -m pip install --quiet --disable-pip-version-check "libzim==$libzim_version"
  echo "libzim==$libzim_version" > "$libzim_folder/.judges"
fi
