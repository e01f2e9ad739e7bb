#pragma once

#include "CoreMinimal.h"

class FFeedbackContext;

class UFactory : public UObject
{
public:
	virtual UObject* FactoryCreateBinary(UClass* InClass, UObject* InParent, FName InName, EObjectFlags Flags, UObject* Context, const TCHAR* Type,
		const uint8*& Buffer, const uint8* BufferEnd, FFeedbackContext* Warn);

protected:
	TSubclassOf<UObject> SupportedClass = nullptr;
	TArray<FString> Formats;
	uint8 bCreateNew : 1;
	uint8 bEditorImport : 1;
	uint8 bText : 1;
};
