#!/bin/sh
# certificates.sh FOLDER MACHINE=ADDRESS...: a certificate authority for a fleet's Ray and
# PostgreSQL, and a certificate for each machine, valid for two years. Run it again with further
# machines: what is there stays. Keep FOLDER/ca.key where no machine of the fleet can read it.
set -eu
umask 077
[ $# -ge 2 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
folder=$1
shift
mkdir -p "$folder"
cd "$folder"
new_key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
if [ ! -f ca.key ]; then
    openssl req -x509 $new_key -subj '/CN=har fleet' -days 3650 -keyout ca.key -out ca.crt
fi
for each in "$@"; do
    machine=${each%%=*} address=${each#*=}
    [ ! -f "$machine.crt" ] || continue
    # Ray checks that a peer's certificate is signed by ca.crt; it goes by addresses, not by names.
    printf 'subjectAltName=DNS:%s,DNS:localhost,IP:%s,IP:127.0.0.1\n' "$machine" "$address" > extensions
    openssl req $new_key -subj "/CN=$machine" -keyout "$machine.key" -out request
    openssl x509 -req -in request -CA ca.crt -CAkey ca.key -CAcreateserial -days 730 \
        -extfile extensions -out "$machine.crt"
    rm extensions request
done
