#include "net/ticket_exchange.h"

#include <gssapi/gssapi_krb5.h>

#include <array>
#include <string_view>

#include "core/base/check.h"

namespace vivarium {
namespace {

// Bit 1: no layer, and so no size of its packets.
constexpr std::array<uint8_t, 4> kNoLayer = {1, 0, 0, 0};

// A buffer of the library's.
struct Buffer {
  ~Buffer() {
    OM_uint32 minor = 0;
    gss_release_buffer(&minor, &buffer);
  }
  ByteView bytes() const { return {static_cast<const uint8_t*>(buffer.value), buffer.length}; }
  gss_buffer_desc buffer = GSS_C_EMPTY_BUFFER;
};

gss_buffer_desc borrowed(ByteView bytes) {
  return {bytes.size(), const_cast<uint8_t*>(bytes.data())};
}

std::string text_of(OM_uint32 code, int kind) {
  OM_uint32 minor = 0;
  OM_uint32 more = 0;
  Buffer text;
  if (gss_display_status(&minor, code, kind, gss_mech_krb5, &more, &text.buffer) !=
      GSS_S_COMPLETE) {
    return "?";
  }
  return std::string(as_text(text.bytes()));
}

tl::unexpected<Error> failure(OM_uint32 major, OM_uint32 minor) {
  // "See the minor code" is all that this one says.
  std::string text =
      GSS_ROUTINE_ERROR(major) == GSS_S_FAILURE ? "" : text_of(major, GSS_C_GSS_CODE);
  if (minor != 0) text += (text.empty() ? "" : ": ") + text_of(minor, GSS_C_MECH_CODE);
  return fail(text.empty() ? "the token is defective" : text);
}

}  // namespace

struct TicketExchange::Handles {
  ~Handles() {
    OM_uint32 minor = 0;
    if (context != GSS_C_NO_CONTEXT) gss_delete_sec_context(&minor, &context, GSS_C_NO_BUFFER);
    if (client != GSS_C_NO_NAME) gss_release_name(&minor, &client);
  }
  gss_cred_id_t credentials = GSS_C_NO_CREDENTIAL;
  gss_ctx_id_t context = GSS_C_NO_CONTEXT;
  gss_name_t client = GSS_C_NO_NAME;
};

TicketExchange::TicketExchange(const void* credentials) : handles_(std::make_unique<Handles>()) {
  handles_->credentials = static_cast<gss_cred_id_t>(const_cast<void*>(credentials));
  CHECK(handles_->credentials != GSS_C_NO_CREDENTIAL);
}

TicketExchange::~TicketExchange() = default;

Result<SaslAnswer> TicketExchange::step(ByteView token) {
  switch (stage_) {
    case Stage::Ticket:
      return accept(token);
    case Stage::Silence:
      if (!token.empty()) return fail("a token where none belongs");
      return offer();
    case Stage::Consent:
      return take_consent(token);
  }
  return fail("no such stage");
}

// A ticket is one token. Whatever is not complete then, a token of another kind or a conversation
// of DCE's style, is none: the library has no context for it, though it says that it goes on.
Result<SaslAnswer> TicketExchange::accept(ByteView token) {
  OM_uint32 minor = 0;
  OM_uint32 flags = 0;
  gss_buffer_desc in = borrowed(token);
  Buffer out;
  const OM_uint32 major = gss_accept_sec_context(&minor, &handles_->context, handles_->credentials,
                                                 &in, GSS_C_NO_CHANNEL_BINDINGS, &handles_->client,
                                                 nullptr, &out.buffer, &flags, nullptr, nullptr);
  if (major != GSS_S_COMPLETE) return failure(major, minor);
  if (handles_->context == GSS_C_NO_CONTEXT || handles_->client == GSS_C_NO_NAME) {
    return fail("the library has no context");
  }
  if ((flags & GSS_C_ANON_FLAG) != 0) return fail("the ticket is nobody's");
  Buffer name;
  if (gss_display_name(&minor, handles_->client, &name.buffer, nullptr) != GSS_S_COMPLETE) {
    return fail("the client has no name");
  }
  principal_ = as_text(name.bytes());
  if (out.bytes().empty()) return offer();
  stage_ = Stage::Silence;
  SaslAnswer answer;
  answer.state = SaslAnswer::State::Continue;
  append_bytes(answer.token, out.bytes());
  return answer;
}

Result<SaslAnswer> TicketExchange::offer() {
  OM_uint32 minor = 0;
  gss_buffer_desc in = borrowed(kNoLayer);
  Buffer out;
  const OM_uint32 major =
      gss_wrap(&minor, handles_->context, 0, GSS_C_QOP_DEFAULT, &in, nullptr, &out.buffer);
  if (major != GSS_S_COMPLETE) return failure(major, minor);
  stage_ = Stage::Consent;
  SaslAnswer answer;
  answer.state = SaslAnswer::State::Continue;
  append_bytes(answer.token, out.bytes());
  return answer;
}

// Behind the choice of a layer stands whom the client would act for. As in ZooKeeper it is not
// looked at: the client is who its ticket says.
Result<SaslAnswer> TicketExchange::take_consent(ByteView token) {
  OM_uint32 minor = 0;
  gss_buffer_desc in = borrowed(token);
  Buffer out;
  const OM_uint32 major = gss_unwrap(&minor, handles_->context, &in, &out.buffer, nullptr, nullptr);
  if (major != GSS_S_COMPLETE) return failure(major, minor);
  const ByteView chosen = out.bytes();
  if (chosen.size() < kNoLayer.size()) return fail("its last token is too short");
  if (chosen[0] != kNoLayer[0]) return fail("it wants its packets signed or sealed");
  SaslAnswer answer;
  answer.state = SaslAnswer::State::Done;
  answer.user = principal_;
  return answer;
}

}  // namespace vivarium
