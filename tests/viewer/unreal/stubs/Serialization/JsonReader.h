#pragma once

#include "CoreMinimal.h"

template <class CharType = TCHAR>
class TJsonReader {};

template <class CharType = TCHAR>
class TJsonReaderFactory
{
public:
	static TSharedRef<TJsonReader<CharType>> Create(const FString& JsonString);
};
