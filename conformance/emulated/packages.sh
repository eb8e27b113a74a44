# Debian packages unpacked into a folder; nothing is installed on the machine, and no rights are needed.

# packages_begin FOLDER: unpacks into FOLDER from now on. Other architectures' packages are named package:arm64.
packages_begin() {
  packages_root=$1
  packages_apt=$1.apt
  mkdir -p "$packages_root" "$packages_apt/lists/partial" "$packages_apt/cache/archives/partial"
  apt_options=(-qq -o "Dir::State::Lists=$packages_apt/lists" -o "Dir::Cache=$packages_apt/cache"
    -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 -o APT::Install-Recommends=false
    -o Debug::NoLocking=1 -o "APT::Sandbox::User=$(id -un)")
  apt-get "${apt_options[@]}" update
}

# Downloads packages with what they need and this machine does not have.
packages_with_needs() {
  apt-get "${apt_options[@]}" install -y --download-only "$@" >/dev/null
}

# Downloads packages alone.
packages_alone() {
  (cd "$packages_apt/cache/archives" && apt-get "${apt_options[@]}" download "$@")
}

packages_unpack() {
  local package
  for package in "$packages_apt"/cache/archives/*.deb; do
    dpkg -x "$package" "$packages_root"
  done
  rm -r "$packages_apt"
}
