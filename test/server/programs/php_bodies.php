<?php
// Answers a request with the request's own body, after a PHP extension has encoded and decoded the body. The query
// string is way=NAME and chooses the function by_NAME below. If the script is run from the command line, it calls each
// of these functions with bodies of its own instead. It then prints a digest of each result, and the names of all
// extensions.
// SPDX-License-Identifier: BSD-2-Clause

/** Encodes and decodes the body as an XML document, by libxml2. */
function by_xml(string $body): string
{
    $written = new DOMDocument();
    $written->appendChild($written->createElement('body', base64_encode($body)));
    $read = new DOMDocument();
    $read->loadXML($written->saveXML(), LIBXML_PARSEHUGE);
    return base64_decode($read->documentElement->textContent);
}

function by_sqlite(string $body): string
{
    $store = new PDO('sqlite::memory:');
    $store->exec('CREATE TABLE bodies (body BLOB)');
    $store->prepare('INSERT INTO bodies VALUES (?)')->execute([$body]);
    return $store->query('SELECT body FROM bodies')->fetchColumn();
}

function by_zlib(string $body): string
{
    return gzdecode(gzencode($body, 1));
}

function by_bz2(string $body): string
{
    return bzdecompress(bzcompress($body, 1));
}

function by_openssl(string $body): string
{
    $key = str_repeat('k', 32);
    $code = openssl_encrypt($body, 'aes-256-gcm', $key, OPENSSL_RAW_DATA, str_repeat('i', 12), $tag);
    return openssl_decrypt($code, 'aes-256-gcm', $key, OPENSSL_RAW_DATA, str_repeat('i', 12), $tag);
}

/** Writes the body to a file, and reads the file by libcurl. For a file:// URL libcurl opens no connection. */
function by_curl(string $body): string
{
    $path = tempnam(sys_get_temp_dir(), 'body');
    file_put_contents($path, $body);
    $transfer = curl_init("file://$path");
    curl_setopt($transfer, CURLOPT_RETURNTRANSFER, true);
    $result = curl_exec($transfer);
    unlink($path);
    return $result;
}

function by_zip(string $body): string
{
    $path = tempnam(sys_get_temp_dir(), 'body');
    $archive = new ZipArchive();
    $archive->open($path, ZipArchive::OVERWRITE);
    $archive->addFromString('body', $body);
    $archive->close();
    $archive->open($path);
    $result = $archive->getFromName('body');
    $archive->close();
    unlink($path);
    return $result;
}

/** Makes a picture whose pixels are the bytes of the body, and encodes and decodes the picture as PNG. */
function by_gd(string $body): string
{
    $width = 256;
    $length = strlen($body);
    $picture = imagecreate($width, intdiv($length, $width) + 1);
    for ($shade = 0; $shade < 256; $shade++) {
        imagecolorallocate($picture, $shade, $shade, $shade);
    }
    for ($i = 0; $i < $length; $i++) {
        imagesetpixel($picture, $i % $width, intdiv($i, $width), ord($body[$i]));
    }
    ob_start();
    imagepng($picture, null, 1);
    $read = imagecreatefromstring(ob_get_clean());
    $result = '';
    for ($i = 0; $i < $length; $i++) {
        $result .= chr(imagecolorat($read, $i % $width, intdiv($i, $width)));
    }
    return $result;
}

/** Treats each byte as a letter. ICU splits letters with accents into two characters, and joins these again. */
function by_intl(string $body): string
{
    $text = mb_convert_encoding($body, 'UTF-8', 'ISO-8859-1');
    $apart = Normalizer::normalize($text, Normalizer::FORM_D);
    return mb_convert_encoding(Normalizer::normalize($apart, Normalizer::FORM_C), 'ISO-8859-1', 'UTF-8');
}

function by_iconv(string $body): string
{
    return iconv('UTF-16LE', 'ISO-8859-1', iconv('ISO-8859-1', 'UTF-16LE', $body));
}

function by_gmp(string $body): string
{
    return substr(gmp_export(gmp_sub(gmp_add(gmp_import("\1$body"), 12345), 12345)), 1);
}

function by_xslt(string $body): string
{
    $sheet = new DOMDocument();
    $sheet->loadXML('<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
        . '<xsl:output method="text"/><xsl:template match="/"><xsl:value-of select="body"/></xsl:template>'
        . '</xsl:stylesheet>');
    $document = new DOMDocument();
    $document->appendChild($document->createElement('body', base64_encode($body)));
    $transformer = new XSLTProcessor();
    $transformer->importStylesheet($sheet);
    return base64_decode($transformer->transformToXML($document));
}

function by_serialize(string $body): string
{
    return unserialize(serialize([strlen($body) => [$body, new ArrayObject([1, $body])]]))[strlen($body)][1][1];
}

function by_regular_expression(string $body): string
{
    return implode('', preg_split('/(?<=[\x00-\x1f])/', $body));
}

function by_tidy(string $body): string
{
    $page = tidy_parse_string('<html><title>t</title><body><pre>' . bin2hex($body) . '</pre></body></html>');
    $page->cleanRepair();
    preg_match('/<pre>([0-9a-f]*)/', (string) $page, $found);
    return hex2bin($found[1]);
}

function by_none(string $body): string
{
    return $body;
}

/** Returns `size` pseudo-random bytes, which are the same in every run. */
function body_of(int $size): string
{
    mt_srand($size);
    $body = '';
    while (strlen($body) < $size) {
        $body .= pack('V', mt_rand());
    }
    return substr($body, 0, $size);
}

if (PHP_SAPI !== 'cli') {
    header('Content-Type: application/octet-stream');
    echo ('by_' . $_GET['way'])(file_get_contents('php://input'));
    return;
}
$ways = array_filter(get_defined_functions()['user'], fn ($name) => str_starts_with($name, 'by_'));
sort($ways);
foreach ($ways as $way) {
    foreach ([100, 5000, 20_000, 150_000, 1_000_000] as $size) {
        if ($way !== 'by_gd' || $size <= 20_000) {
            $body = body_of($size);
            $result = $way($body);
            echo "$way $size ", md5($result), $result === $body ? '' : ' WRONG', "\n";
        }
    }
}
$extensions = get_loaded_extensions();
sort($extensions);
echo implode(' ', $extensions), "\n";
