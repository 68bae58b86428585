// The HTTP parser of the AdminServer, and the JSON that it writes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <nlohmann/json.hpp>

#include "core/metrics.h"
#include "core/server/http.h"
#include "core/server/json.h"

namespace vivarium {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::StartsWith;

HttpParsed parse(std::string_view text, HttpRequest& request) {
  return parse_http_request(text, request);
}

int refusal_of(std::string_view text) {
  HttpRequest request;
  const HttpParsed parsed = parse(text, request);
  EXPECT_EQ(parsed.verdict, HttpVerdict::Bad) << text;
  return parsed.status;
}

TEST(Http, ARequest) {
  HttpRequest request;
  const std::string text =
      "GET /commands/set?level=a%20b+c&x&%41=1#f HTTP/1.1\r\nHost: h:8080\r\n"
      "authorization:  digest u:p \r\nUser-Agent: curl\r\n\r\nGET /next";
  const HttpParsed parsed = parse(text, request);
  ASSERT_EQ(parsed.verdict, HttpVerdict::Ok);
  EXPECT_EQ(text.substr(parsed.used), "GET /next");
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.path, "/commands/set");
  EXPECT_THAT(request.query, ElementsAre(Pair("level", "a b c"), Pair("x", ""), Pair("A", "1")));
  EXPECT_EQ(request.authorization, "digest u:p");
  EXPECT_TRUE(request.keep_alive);
  EXPECT_TRUE(request.chunks);
  ASSERT_NE(request.value_of("A"), nullptr);
  EXPECT_EQ(*request.value_of("A"), "1");
  EXPECT_EQ(request.value_of("B"), nullptr);
}

TEST(Http, ABodyOfItsLength) {
  HttpRequest request;
  const std::string text = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcdef";
  const HttpParsed parsed = parse(text, request);
  ASSERT_EQ(parsed.verdict, HttpVerdict::Ok);
  EXPECT_EQ(request.body, "abc");
  EXPECT_EQ(text.substr(parsed.used), "def");
}

TEST(Http, ConnectionsThatStayAndThatEnd) {
  const auto stays = [](std::string_view text) {
    HttpRequest request;
    EXPECT_EQ(parse(text, request).verdict, HttpVerdict::Ok);
    return request.keep_alive;
  };
  EXPECT_TRUE(stays("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
  EXPECT_FALSE(stays("GET / HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n"));
  EXPECT_FALSE(stays("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(stays("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  EXPECT_FALSE(stays("GET / HTTP/1.0\n\n"));  // typed into nc
}

// Each front of a request needs more, and the verdict on the whole does not change with what
// follows.
TEST(Http, FrontsNeedMore) {
  const std::string text = "POST /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi";
  HttpRequest request;
  for (size_t n = 0; n < text.size(); ++n) {
    EXPECT_EQ(parse(text.substr(0, n), request).verdict, HttpVerdict::NeedMore) << n;
  }
  EXPECT_EQ(parse(text, request).used, text.size());
}

TEST(Http, Refusals) {
  EXPECT_EQ(refusal_of("GET\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET /\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("G(T / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET /%4 HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET /?a=%zz HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), 505);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\n\r\n"), 400);  // no host
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 501);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"), 400);
  EXPECT_EQ(
      refusal_of("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"),
      400);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n"), 413);
  EXPECT_EQ(refusal_of("GET /" + std::string(3000, 'a') + " HTTP/1.1\r\n\r\n"), 414);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nX: " + std::string(kHttpHeadMax, 'a')), 431);
  EXPECT_EQ(refusal_of(std::string(kHttpHeadMax + 1, '\n')), 431);
  std::string many = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (int i = 0; i < 100; ++i) many += "X: 1\r\n";
  EXPECT_EQ(refusal_of(many + "\r\n"), 431);
}

// Requests put together from good, odd and broken pieces, and some bytes changed.
std::string hostile_request() {
  const std::vector<std::string> pieces = {"GET",
                                           "HEAD",
                                           " ",
                                           "/",
                                           "/commands/ruok",
                                           "?a=b&c",
                                           "%41",
                                           "%",
                                           "%0",
                                           " HTTP/1.1",
                                           " HTTP/1.0",
                                           "\r\n",
                                           "\n",
                                           "\r",
                                           "Host: h\r\n",
                                           "Content-Length: 3\r\n",
                                           "Content-Length: 99999999999\r\n",
                                           "Transfer-Encoding: chunked\r\n",
                                           "Authorization: digest a:b\r\n",
                                           "Connection: keep-alive, close\r\n",
                                           "abc",
                                           std::string(1, '\0'),
                                           "\xff",
                                           std::string(3000, 'a')};
  // Chance alone makes whole ones too seldom.
  if (*rc::gen::inRange(0, 4) == 0) return "GET /commands/ruok HTTP/1.1\r\nHost: h\r\n\r\n";
  const bool whole = *rc::gen::arbitrary<bool>();
  std::string text = whole ? "GET /commands/ruok?x=1 HTTP/1.1\r\nHost: h\r\n" : "";
  for (const std::string& piece :
       *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(pieces))) {
    text += piece;
  }
  if (whole) text += "\r\n";
  const auto changes = *rc::gen::container<std::vector<std::pair<uint16_t, char>>>(
      rc::gen::arbitrary<std::pair<uint16_t, char>>());
  for (size_t i = 0; i < std::min<size_t>(changes.size(), 2) && !text.empty(); ++i) {
    text[changes[i].first % text.size()] = changes[i].second;
  }
  return text;
}

TEST(Http, WhateverArrivesTheVerdictOnAFrontHoldsForTheWhole) {
  size_t verdicts[3] = {};
  const bool held = rc::check([&] {
    const std::string text = hostile_request();
    HttpRequest request;
    const HttpParsed parsed = parse(text, request);
    ++verdicts[static_cast<size_t>(parsed.verdict)];
    if (parsed.verdict == HttpVerdict::NeedMore) {
      RC_ASSERT(text.size() < kHttpHeadMax + kHttpBodyMax);
    } else if (parsed.verdict == HttpVerdict::Bad) {
      RC_ASSERT(http_reason(parsed.status) != "Internal Server Error");
    } else {
      RC_ASSERT(parsed.used > 0U && parsed.used <= text.size());
      RC_ASSERT(request.path.starts_with('/') && request.body.size() <= kHttpBodyMax);
    }
    const size_t cut = *rc::gen::inRange<size_t>(0, text.size() + 1);
    HttpRequest of_front;
    const HttpParsed front = parse(text.substr(0, cut), of_front);
    ++verdicts[static_cast<size_t>(front.verdict)];
    if (front.verdict == HttpVerdict::NeedMore) return;
    RC_ASSERT(front.verdict == parsed.verdict);
    RC_ASSERT(front.status == parsed.status && front.used == parsed.used);
    RC_ASSERT(of_front.path == request.path && of_front.body == request.body);
  });
  EXPECT_TRUE(held);
  for (const size_t n : verdicts) EXPECT_GT(n, 0U);
}

TEST(Http, Answers) {
  Bytes out;
  HttpAnswer answer;
  answer.headers = {{"X-A", "b"}};
  append_http_answer(answer, "{}", true, true, out);
  const std::string text(as_text(out));
  EXPECT_THAT(text, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"));
  EXPECT_THAT(text,
              HasSubstr("\r\nConnection: keep-alive\r\nX-A: b\r\nContent-Length: 2\r\n\r\n{}"));
  out.clear();
  append_http_chunk("0123456789abcdef", out);
  append_http_chunk("", out);
  append_http_end_of_chunks(out);
  EXPECT_EQ(as_text(out), "10\r\n0123456789abcdef\r\n0\r\n\r\n");
}

TEST(Json, LaidOutAsJackson) {
  JsonWriter json;
  json.begin_object();
  json.text("a", "x");
  json.key("list");
  json.begin_array();
  json.number(1);
  json.number(2);
  json.end_array();
  json.key("empty");
  json.begin_array();
  json.end_array();
  json.key("o");
  json.begin_object();
  json.boolean("t", true);
  json.end_object();
  json.key("e");
  json.begin_object();
  json.end_object();
  json.key("n");
  json.null();
  json.end_object();
  EXPECT_EQ(json.take(),
            "{\n  \"a\" : \"x\",\n  \"list\" : [ 1, 2 ],\n  \"empty\" : [ ],\n  \"o\" : {\n"
            "    \"t\" : true\n  },\n  \"e\" : { },\n  \"n\" : null\n}");
  EXPECT_EQ(json.depth(), 0U);
}

TEST(Json, TextComesBackAsItWas) {
  const bool held = rc::check([](const std::string& bytes) {
    JsonWriter json;
    json.begin_array();
    json.text(bytes);
    json.end_array();
    const nlohmann::json parsed = nlohmann::json::parse(json.take(), nullptr, false);
    RC_ASSERT(!parsed.is_discarded());
    const bool ascii = std::all_of(bytes.begin(), bytes.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (ascii) RC_ASSERT(parsed[0].get<std::string>() == bytes);
  });
  EXPECT_TRUE(held);
}

TEST(Json, WhatIsNoUtf8IsReplaced) {
  const auto written = [](std::string_view bytes) {
    JsonWriter json;
    json.text(bytes);
    return json.take();
  };
  EXPECT_EQ(written("\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98"),
            "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98\"");
  EXPECT_EQ(written("\xc3"), "\"\xef\xbf\xbd\"");
  EXPECT_EQ(written("\xc0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
  EXPECT_EQ(written("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
  EXPECT_EQ(written("a\"\\\n\x01"), "\"a\\\"\\\\\\n\\u0001\"");
}

TEST(Metrics, QuantilesAreExactWhenSmallAndCloseWhenLarge) {
  MetricSummary summary;
  EXPECT_EQ(summary.quantile(500), 0);
  for (int64_t v = 1; v <= 20; ++v) summary.add(v);
  EXPECT_EQ(summary.quantile(500), 10);
  EXPECT_EQ(summary.quantile(950), 19);
  EXPECT_EQ(summary.quantile(1000), 20);
  EXPECT_EQ(summary.min(), 1);
  EXPECT_EQ(summary.sum(), 210);
  const bool held = rc::check([](std::vector<uint32_t> values) {
    RC_PRE(!values.empty());
    MetricSummary all;
    for (const uint32_t v : values) all.add(v);
    std::sort(values.begin(), values.end());
    for (const int64_t per_mille : {500, 900, 990}) {
      const size_t rank = (values.size() * static_cast<size_t>(per_mille) + 999) / 1000;
      const auto exact = static_cast<int64_t>(values[std::max<size_t>(rank, 1) - 1]);
      const int64_t told = all.quantile(per_mille);
      RC_ASSERT(std::abs(told - exact) <= exact / 16 + 1);
    }
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace vivarium
