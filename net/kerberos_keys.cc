#include "net/kerberos_keys.h"

#include <fmt/format.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <krb5/krb5.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace vivarium {
namespace {

// Memory keytabs have names within the process; there is one server in it.
constexpr const char* kMemoryKeytab = "MEMORY:vivarium";
constexpr size_t kNameBytesMax = 4096;

class Context {
 public:
  Context() : code_(krb5_init_context(&context_)) {}
  ~Context() {
    if (context_ != nullptr) krb5_free_context(context_);
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  krb5_context get() const { return context_; }
  krb5_error_code code() const { return code_; }
  tl::unexpected<Error> error(std::string_view what, krb5_error_code code) const {
    const char* text = krb5_get_error_message(context_, code);
    auto failure = fail(fmt::format("Kerberos cannot be set up: {}: {}", what, text));
    krb5_free_error_message(context_, text);
    return failure;
  }

 private:
  krb5_context context_ = nullptr;
  krb5_error_code code_ = 0;
};

Result<std::string> realm_of(const Context& context) {
  if (context.code() != 0) return context.error("krb5.conf", context.code());
  char* realm = nullptr;
  if (const auto code = krb5_get_default_realm(context.get(), &realm); code != 0) {
    return context.error("the default realm", code);
  }
  std::string text = realm;
  krb5_free_default_realm(context.get(), realm);
  return text;
}

}  // namespace

struct KerberosKeys::Handles {
  ~Handles() {
    OM_uint32 minor = 0;
    if (credentials != GSS_C_NO_CREDENTIAL) gss_release_cred(&minor, &credentials);
    if (memory != nullptr) krb5_kt_close(context.get(), memory);
    if (principal != nullptr) krb5_free_principal(context.get(), principal);
    if (replays >= 0) ::close(replays);
  }
  // Kept, for what the library has read of krb5.conf is shared while anybody has it.
  Context context;
  krb5_principal principal = nullptr;
  krb5_keytab memory = nullptr;  // its keys go with the last handle
  int replays = -1;              // a file without a disk: which tickets have been shown lately
  gss_cred_id_t credentials = GSS_C_NO_CREDENTIAL;
};

KerberosKeys::KerberosKeys() : handles_(std::make_unique<Handles>()) {}
KerberosKeys::~KerberosKeys() = default;

const void* KerberosKeys::credentials() const { return handles_->credentials; }

Result<std::string> KerberosKeys::default_realm() { return realm_of(Context()); }

Result<std::unique_ptr<KerberosKeys>> KerberosKeys::read(const KerberosLogin& login) {
  std::unique_ptr<KerberosKeys> keys(new KerberosKeys());
  Result<std::string> realm = realm_of(keys->handles_->context);
  if (!realm) return tl::unexpected<Error>(realm.error());
  keys->realm_ = std::move(*realm);
  Result<void> done = keys->name_principal(login.principal);
  if (done) done = keys->collect(login.keytab);
  if (done) done = keys->acquire();
  if (!done) return tl::unexpected<Error>(done.error());
  return keys;
}

Result<void> KerberosKeys::name_principal(const std::string& written) {
  const Context& context = handles_->context;
  krb5_context library = context.get();
  char* name = nullptr;
  auto code = krb5_parse_name(library, written.c_str(), &handles_->principal);
  if (code == 0) code = krb5_unparse_name(library, handles_->principal, &name);
  if (code != 0) return context.error(written, code);
  principal_ = name;
  krb5_free_unparsed_name(library, name);
  return {};
}

// Copies the keys of the principal, and no others: a ticket for another service is for nobody here.
Result<void> KerberosKeys::collect(const std::string& keytab) {
  const Context& context = handles_->context;
  krb5_context library = context.get();
  keytab_ = keytab;
  if (keytab_.empty()) {
    std::array<char, kNameBytesMax> usual = {};
    if (const auto code = krb5_kt_default_name(library, usual.data(), usual.size()); code != 0) {
      return context.error("the default keytab", code);
    }
    keytab_ = usual.data();
  }
  krb5_keytab file = nullptr;
  krb5_kt_cursor cursor = nullptr;
  auto code = krb5_kt_resolve(library, keytab_.c_str(), &file);
  if (code == 0) code = krb5_kt_start_seq_get(library, file, &cursor);
  if (code != 0) {
    if (file != nullptr) krb5_kt_close(library, file);
    return context.error(keytab_, code);
  }
  krb5_keytab_entry entry = {};
  code = krb5_kt_resolve(library, kMemoryKeytab, &handles_->memory);
  while (code == 0) {
    code = krb5_kt_next_entry(library, file, &entry, &cursor);
    if (code != 0) break;
    if (krb5_principal_compare(library, entry.principal, handles_->principal) != 0) {
      code = krb5_kt_add_entry(library, handles_->memory, &entry);
      ++count_;
    }
    krb5_free_keytab_entry_contents(library, &entry);
  }
  krb5_kt_end_seq_get(library, file, &cursor);
  krb5_kt_close(library, file);
  if (code != KRB5_KT_END) return context.error(keytab_, code);
  if (count_ != 0) return {};
  return fail(fmt::format("Kerberos cannot be set up: {} has no key of {}", keytab_, principal_));
}

// For Kerberos alone: other mechanisms of GSS-API would negotiate, or ask a KDC for their clients.
Result<void> KerberosKeys::acquire() {
  const auto failed = [&](std::string_view what, OM_uint32 minor) {
    return handles_->context.error(what, static_cast<krb5_error_code>(minor));
  };
  handles_->replays = ::memfd_create("kerberos-replays", MFD_CLOEXEC);
  if (handles_->replays < 0) {
    return fail(
        fmt::format("Kerberos cannot be set up: a file in memory: {}", std::strerror(errno)));
  }
  OM_uint32 minor = 0;
  gss_buffer_desc text = {principal_.size(), principal_.data()};
  gss_name_t name = GSS_C_NO_NAME;
  // By its full name, which is not looked up; names of hosts would be.
  if (GSS_ERROR(gss_import_name(&minor, &text, GSS_KRB5_NT_PRINCIPAL_NAME, &name)) != 0) {
    return failed(principal_, minor);
  }
  const std::string cache = fmt::format("file2:/proc/self/fd/{}", handles_->replays);
  std::array<gss_key_value_element_desc, 2> elements = {
      {{"keytab", kMemoryKeytab}, {"rcache", cache.c_str()}}};
  const gss_key_value_set_desc store = {static_cast<OM_uint32>(elements.size()), elements.data()};
  gss_OID_set_desc mechanisms = {1, gss_mech_krb5};
  const OM_uint32 major =
      gss_acquire_cred_from(&minor, name, GSS_C_INDEFINITE, &mechanisms, GSS_C_ACCEPT, &store,
                            &handles_->credentials, nullptr, nullptr);
  OM_uint32 ignored = 0;
  gss_release_name(&ignored, &name);
  if (GSS_ERROR(major) != 0) return failed(principal_, minor);
  return {};
}

}  // namespace vivarium
